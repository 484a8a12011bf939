"""What was measured of a training so far: a report needs no model, and no trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.experiments.studies.core.record import Record
from adapter_workbench.experiments.workspace.piece_results import PieceResults

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

How = Literal["own head", "fitted head", "generated answers"]
START = "before the training"  # what every stage is compared with, where the record is as old as the training
PART = "stage"  # of the pieces


@dataclass(frozen=True)
class WatchedStage:
    """What the model in training was worth at one time."""

    step: int  # of the optimiser
    epoch: float  # how many times the data had been read
    # task → its main score on its test examples; a task that could not be measured is left out
    scores: Mapping[str, float]
    evaluations: Mapping[str, str]  # task → key of the evaluation, with every example's outcome
    seconds: float  # that measuring took
    training_seconds: float  # since the training began, all measuring left out
    # whether the trainer had put back the weights of an earlier step, the best by its own measure
    put_back: bool = False
    beyond: tuple[str, ...] = ()  # tasks that had lost more than ``bound``, for which the training was stopped here
    bound: float | None = None  # points; None where it was not stopped. A training that goes on may have another one.
    failed: Mapping[str, str] = field(default_factory=dict)  # task → why it could not be measured
    text_loss: float | None = None  # mean loss of a token of general text, in nats; None where it was not asked for


STAGES = PieceResults("pieces", WatchedStage)


@dataclass(frozen=True, kw_only=True)
class WatchedRecord(Record):
    """A training as far as it has come."""

    kind = "a training that was watched"
    result_fields = ("stages", "ended")

    description: str = ""
    training: str  # what tells it from all others
    trainer: str  # the class that trains
    tasks: tuple[str, ...]  # that the model is measured on
    kinds: Mapping[str, str]
    answered: Mapping[str, How]  # task → what answers it
    test_sizes: Mapping[str, int]  # task → how many of its test examples are asked
    majority: Mapping[str, float]  # task → M[j], the score of always giving the most frequent answer
    every: str  # when the model is measured: ``epoch``, ``save`` or a number of steps; as it was asked last
    # points, beyond which the training is stopped; None where it is not. As it was asked last.
    max_forgetting: float | None = None
    looks: int | None = None  # how often it is measured at most, where the trainer says so when it begins; else None
    rows: int  # test examples that are asked of each task, at most
    head_rows: int  # training examples on which a head is fitted
    max_length: int  # tokens that are read of a text
    # in their order; stage 0 is what ``reference`` says: before the training, or the step at which a training
    # went on that has no record of its beginning
    stages: tuple[WatchedStage, ...] = ()
    ended: bool = False  # whether the training has come to its end

    @property
    def planned(self) -> int:
        """How many stages there will be at least."""
        return self.done if self.ended else self.done + 1

    @property
    def done(self) -> int:
        """How many stages are there."""
        return len(self.stages)

    @property
    def matrix(self) -> list[list[float | None]]:
        """The score of each task (columns) at each stage (rows); None where it was not measured."""
        return [[stage.scores.get(task) for task in self.tasks] for stage in self.stages]

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the stages that are there."""
        return {"stages": tuple(stage for _, stage in STAGES.of(document, workspace, PART)), "ended": document.finished}
