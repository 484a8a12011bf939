"""What one stage of a stream gives, and where that is kept: a row of the accuracy matrix, its cost, its probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, TypeAdapter

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace

CellStatus = Literal["measured", "verified", "carried"]
STATUSES: tuple[CellStatus, ...] = get_args(CellStatus)


@dataclass(frozen=True)
class Cell:
    """R[stage, task]: one entry of the accuracy matrix."""

    task: str  # the task that was tested
    stage: int  # tested after this stage (0 = before any)
    score: float  # the task's main metric in [0, 1]
    examples: int  # size of the test split
    # ``measured`` (the test split was run and stored), ``verified`` (adapter reloaded, all logits recomputed and
    # bit-identical to the measured ones) or ``carried`` (adapter, backbone and data have the fingerprints they
    # had when the score was measured, so it was not run again)
    status: CellStatus
    seconds: float  # what it took
    evaluation: str = ""  # key of the stored evaluation that holds the per-example outcomes behind the score


@dataclass(frozen=True)
class Cost:
    """What learning one task took."""

    train_seconds: float  # wall time of learning, see `FitRecord.seconds`
    # highest resident (or device) memory of the process while it trained, in MB; None where the system does not
    # tell
    peak_memory_mb: float | None
    trainable_parameters: int  # how many numbers the optimiser changed, head included
    stored_bytes: int  # what has to be kept to answer for all tasks learned so far
    spent: Mapping[str, float] = field(default_factory=dict)  # what else was counted in ``train_seconds``, by quantity


@dataclass(frozen=True)
class StageOutcome:
    """What is known after one stage of one entry in one replication."""

    label: Annotated[str, Field(alias="strategy")]  # of the entry; ``strategy`` in the files of a stage
    seed: int  # of the replication
    stage: int
    task: str  # the task learned at this stage
    cells: tuple[Cell, ...]
    cost: Cost
    validation: float | None  # its score on the validation split; None where nothing was learned here
    # probe → quantity → value; a quantity of one task's model is called ``TASK/quantity``
    probes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    order: int = 0  # of the replication: which order of the stream, 0 the recipe's own
    probe_seconds: float = 0.0  # what the probes took
    # the score on the validation split after each epoch, whichever was kept; empty where an earlier version wrote
    # the outcome
    curve: tuple[float, ...] = ()
    # hyper-parameters that the strategy chose at this stage, by name
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1  # from how many fits


# What the stages of streams leave on disk: the state of the strategy, how its fit went, what was measured after it.
OUTCOME = TypeAdapter(StageOutcome)
FIT = TypeAdapter(FitRecord)


@dataclass(frozen=True)
class StageFolders:
    """The folders ``steps/KEY/`` of a workspace."""

    workspace: Workspace

    def folder(self, key: str) -> Path:
        """Return the folder of a stage."""
        return self.workspace.stage(key)

    def fit(self, key: str) -> FitRecord:
        """Return how the fit of a finished stage went.

        Raises:
            IntegrityError: this is damaged or missing, or another stage's.
        """
        path = self.folder(key) / "fit.json"
        fit = checksummed.read(FIT, path, key)
        if fit is None:
            raise IntegrityError("fit.json of this stage is missing", where=str(path))
        return fit

    def outcome(self, key: str, name: str) -> StageOutcome | None:
        """Return a stage's outcome, or None if it has not been evaluated in this way yet.

        Raises:
            IntegrityError: it is damaged or another's, and the workspace does not mend damage.
        """
        path = self.folder(key) / name
        return self.workspace.access.read(path, lambda: checksummed.read(OUTCOME, path, _under(key, name)))

    def finished(self, key: str, name: str) -> StageOutcome | None:
        """Return a stage's outcome if all that it was taken from is there too, else None; raises as :meth:`outcome`."""
        outcome, evaluations = self.outcome(key, name), self.workspace.evaluations
        whole = outcome and all(evaluations.get(cell.evaluation) for cell in outcome.cells if cell.evaluation)
        return outcome if whole else None

    def save_outcome(self, key: str, name: str, outcome: StageOutcome) -> None:
        """Write a stage's outcome."""
        checksummed.write(OUTCOME, outcome, self.folder(key) / name, _under(key, name))


def save_fit(key: str, fit: FitRecord, folder: Path) -> None:
    """Write how the fit of a stage went into what will be the stage's folder."""
    (folder / "fit.json").write_text(checksummed.text_of(FIT, fit, key), encoding="utf-8")


def _under(key: str, name: str) -> str:
    """Return what determines an outcome: a stage may have several, and their names tell what was measured."""
    return f"{key}/{name}"
