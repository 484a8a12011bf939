"""What one stage of a stream gives: a row of the accuracy matrix, its cost, its probes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from pydantic import Field

CellStatus = Literal["measured", "verified", "carried"]
STATUSES: tuple[CellStatus, ...] = get_args(CellStatus)


@dataclass(frozen=True)
class Cell:
    """R[stage, task]: one entry of the accuracy matrix.

    Attributes:
        task: the task that was tested.
        stage: tested after this stage (0 = before any).
        score: the task's main metric in [0, 1].
        examples: size of the test split.
        status: ``measured`` (the test split was run and stored), ``verified`` (adapter reloaded, all logits
            recomputed and bit-identical to the measured ones) or ``carried`` (adapter, backbone and data have the
            fingerprints they had when the score was measured, so it was not run again).
        seconds: what it took.
        evaluation: key of the stored evaluation that holds the per-example outcomes behind the score.
    """

    task: str
    stage: int
    score: float
    examples: int
    status: CellStatus
    seconds: float
    evaluation: str = ""


@dataclass(frozen=True)
class Cost:
    """What learning one task took.

    Attributes:
        train_seconds: wall time of learning, see :attr:`FitRecord.seconds`.
        peak_memory_mb: highest resident (or device) memory of the process while it trained, in MB; None where the
            system does not tell.
        trainable_parameters: how many numbers the optimiser changed, head included.
        stored_bytes: what has to be kept to answer for all tasks learned so far.
        spent: what else was counted in ``train_seconds``, by quantity.
    """

    train_seconds: float
    peak_memory_mb: float | None
    trainable_parameters: int
    stored_bytes: int
    spent: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StageOutcome:
    """What is known after one stage of one entry in one replication.

    Attributes:
        label: of the entry.
        seed: of the replication.
        order: of the replication: which order of the stream, 0 the recipe's own.
        task: the task learned at this stage.
        validation: its score on the validation split; None where nothing was learned here.
        probes: probe → quantity → value; a quantity of one task's model is called ``TASK/quantity``.
        probe_seconds: what the probes took.
        curve: the score on the validation split after each epoch, whichever was kept; empty where an earlier version
            wrote the outcome.
        chosen: hyper-parameters that the strategy chose at this stage, by name.
        trials: from how many fits.
    """

    label: Annotated[str, Field(alias="strategy")]  # in the files of a stage
    seed: int
    stage: int
    task: str
    cells: tuple[Cell, ...]
    cost: Cost
    validation: float | None
    probes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    order: int = 0
    probe_seconds: float = 0.0
    curve: tuple[float, ...] = ()
    chosen: Mapping[str, float] = field(default_factory=dict)
    trials: int = 1
