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

    # of the entry
    label: Annotated[str, Field(alias="strategy")]  # in the files of a stage
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
