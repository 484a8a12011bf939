"""One repair of one stream: validation chooses among its attempts and doing nothing; the test splits are read once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from adapter_workbench.experiments.repairs import CONTROL, REPAIRS
from adapter_workbench.experiments.studies.repair.record import Repaired
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, validation_score
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from adapter_workbench.experiments.repairs import Attempt, EndOfStream, Repair, Shared, Stored
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream
    from adapter_workbench.workbench.settings.base import Settings

CLOSE = 0.05  # other processors round otherwise, and change a few answers; other weights change most of them


def repaired(stream: LearnedStream, end: EndOfStream, repair: Repair, settings: Settings) -> Repaired:
    """Return what a repair comes to; of the control what its heads answer, whether or not that is better than before.

    Raises:
        InputError: the weights do not answer as they did at the end of the stream: the backbone is another one.
        TrainingError: a score is not a finite number.
    """
    began, attempts, rows = time.perf_counter(), 0, 0
    unrepaired = _validation(end, end.standing())
    if end.as_learned:
        _require_same(stream, end.as_learned, unrepaired[end.as_learned])
    before = best = _mean(unrepaired)
    chosen, control = None, repair is REPAIRS.get(CONTROL)
    for attempt in repair.attempts(end, settings):
        attempts, rows = attempts + 1, max(rows, _rows(end, attempt))
        if control:
            chosen = attempt
        elif (mean := _mean({**unrepaired, **_validation(end, attempt.shared, attempt.tasks)})) > best:
            chosen, best = attempt, mean
    return Repaired(
        chosen=chosen.chosen if chosen else {},
        attempts=attempts,
        unrepaired=before,
        validation=None if control else best,
        scores={**stream.kept, **(_tested(end, chosen) if chosen else {})},
        seconds=time.perf_counter() - began,
        rows_a_task=rows / len(end.context.tasks),
    )


def _rows(end: EndOfStream, attempt: Attempt) -> int:
    """Return how many labelled rows an attempt reads, of all tasks together, those that validate it among them."""
    validation = attempt.validation_rows
    if validation is None:
        validation = sum(len(task.splits["validation"]) for task in end.context.drawn)
    return attempt.training_rows + validation


def _mean(scores: Mapping[str, float]) -> float:
    return sum(scores.values()) / len(scores)


def _validation(end: EndOfStream, shared: Shared | Stored, tasks: Collection[str] | None = None) -> dict[str, float]:
    """Return the score of each of ``tasks`` on its validation split; of all where it is None."""
    context = end.context
    return {
        task.name: validation_score(end.model(shared, task), task, context.adaptation.backbone, context.budget)
        for task in context.drawn
        if tasks is None or task.name in tasks
    }


def _tested(end: EndOfStream, attempt: Attempt) -> dict[str, float]:
    context = end.context
    scores = {}
    for task in (task for task in context.posed if attempt.tasks is None or task.name in attempt.tasks):
        evaluation = evaluate_model(end.model(attempt.shared, task), task, context.adaptation.backbone, context.budget)
        scores[task.name] = evaluation.scores[KINDS.get(task.kind).metric]
    return scores


def _require_same(stream: LearnedStream, task: str, score: float) -> None:
    learned = stream.validation[task]
    if learned is not None and abs(score - learned) > CLOSE:
        message = f"{task!r} validates at {score:.3f} now, and did at {learned:.3f} when it was learned"
        hint = "Is the backbone still the one that the stream was learned on?"
        raise InputError(message, where=stream.label, hint=hint)
