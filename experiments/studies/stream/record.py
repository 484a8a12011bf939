"""What a stream has measured so far: everything that its report is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.studies import _record
from experiments.studies.stream.reading import outcomes_of, own_adapters
from experiments.studies.stream.stage_outcome import StageOutcome
from workbench.stored_adapter import StoredAdapter

if TYPE_CHECKING:
    from experiments.workspace import RecordDocument, Workspace


@dataclass(frozen=True)
class Contender:
    """One entry under ``strategies`` in a recipe: how the stream is learned, by which method, with which settings.

    Attributes:
        frontier: the label of the entry that this is another learning rate of, for the frontier of stability and
            plasticity; None for an entry of its own.
    """

    label: str
    strategy: str
    method: str
    settings: Mapping[str, Any]
    frontier: str | None = None


@dataclass(frozen=True, kw_only=True)
class Record(_record.Record):
    """A stream as far as it has come.

    Attributes:
        tasks: the stream, in order.
        test_sizes: examples in each task's test split, in the order of ``tasks``.
        majority: M[j], the score of always giving the same answer to each task, in the order of ``tasks``.
        orders: the orders that the stream is learned in; the first one is ``tasks``. Each seed with each order is one
            replication.
        scenario: what is known when a task is answered: ``task-incremental``, ``domain-incremental`` or
            ``class-incremental``.
        contenders: in the recipe's order.
        budget: the resolved budget, the same for all contenders.
        kinds: task → its kind.
        outcomes: every finished stage; stages may be missing while a run goes on.
        examples: (label, seed, order, task) → parquet file of per-example outcomes after the last stage (columns id,
            label, prediction, correct, confidence, log_likelihood).
        adapters: (label, seed, order) → task → its adapter, where a stream is at its end and each task has its own.
    """

    kind = "a stream"
    left = ("outcomes", "examples", "adapters")

    description: str = ""
    tasks: tuple[str, ...]
    test_sizes: tuple[int, ...]
    majority: tuple[float, ...]
    orders: tuple[tuple[str, ...], ...]
    scenario: str
    contenders: tuple[Contender, ...]
    budget: Mapping[str, Any]
    kinds: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[StageOutcome, ...] = ()
    examples: Mapping[tuple[str, int, int, str], Path] = field(default_factory=dict)
    adapters: Mapping[tuple[str, int, int], Mapping[str, StoredAdapter]] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """How many streams there will be: one for each contender and replication."""
        return len(self.contenders) * len(self.seeds) * len(self.orders)

    @property
    def done(self) -> int:
        """How many of them have come to their end."""
        labels = {contender.label for contender in self.contenders}
        return sum(outcome.stage == len(self.tasks) and outcome.strategy in labels for outcome in self.outcomes)

    @classmethod
    def found(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return outcomes, those of single examples, and adapters."""
        outcomes, last = outcomes_of(document, workspace), len(document.about["tasks"])
        return {
            "outcomes": tuple(outcomes),
            "examples": {
                (one.strategy, one.seed, one.order, cell.task): workspace.evaluations.outcomes(cell.evaluation)
                for one in outcomes
                if one.stage == last
                for cell in one.cells
            },
            "adapters": {
                (place["label"], place["seed"], place["order"]): own_adapters(place["step"], workspace)
                for place in (piece.place for piece in document.pieces)
                if place["stage"] == last
            },
        }
