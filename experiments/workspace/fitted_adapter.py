"""The result of a piece that trains and tests one adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.piece_results import PieceResults

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


@dataclass(frozen=True, kw_only=True)
class FittedAdapter:
    """One adapter and its scores.

    A field with a default is not in every document: coordinates come from the piece, and earlier versions wrote less.
    """

    adapter: str  # its id in the store
    evaluation: str  # key of the stored evaluation that holds the per-example outcomes behind the score
    learning_rate: float = 0.0
    score: float  # the task's main metric on the test split, in [0, 1]; ``validation`` the same on the validation split
    validation: float
    seconds: float  # wall time of the fit, validation included
    steps: int = 0
    train_examples: int | None = None  # how many different training examples the fit read
    peak_memory_mb: float | None = None  # highest memory of the process (or the device) while it trained, in MB
    trainable_parameters: int  # head included
    stored_bytes: int = 0  # the adapter on disk
    spent: Mapping[str, float] = field(default_factory=dict)  # what else was counted during the fit, by quantity
    # label, task, seed: its coordinates in an experiment; several experiments may share the adapter
    label: str = ""
    task: str = ""
    seed: int = 0

    def is_there(self, workspace: Workspace) -> bool:
        """Return whether the adapter is in the workspace, with its answers to the test split."""
        return workspace.has_adapter(self.adapter) and workspace.evaluations.get(self.evaluation) is not None


FITTED_ADAPTERS = PieceResults("pieces", FittedAdapter, FittedAdapter.is_there)


def fitted_adapters(record: RecordDocument, workspace: Workspace, part: str) -> tuple[FittedAdapter, ...]:
    """Return the adapters of an experiment that are done, each with its coordinates.

    Raises:
        IntegrityError: a document or the answers to a test split are damaged or missing.
    """
    adapters = []
    for coordinates, fitted in FITTED_ADAPTERS.of(record, workspace, part):
        workspace.evaluations.require_outcomes(fitted.evaluation)
        adapters.append(
            replace(fitted, label=coordinates.get("label", ""), task=coordinates["task"], seed=coordinates["seed"])
        )
    return tuple(adapters)
