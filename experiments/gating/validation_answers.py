"""What adapters answer to the validation split of their task: its labels one by one, agreement, calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.gating.gate import Check
from adapter_workbench.experiments.reporting.label_table import in_words
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.label_counts import macro_f1, worst_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
    from adapter_workbench.experiments.workspace.evaluations import Evaluations
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

NEED, INSTEAD = "this bound needs the validation examples", "--min-score"


def require_answers(stored: StoredAdapter, other: StoredAdapter | None, bounds: AdapterBounds) -> None:
    """Check that answers can be held against a bound, before a model is opened.

    Raises:
        InputError: they are numbers, they have no labels, or the two adapters do not answer for the same data.
    """
    task = stored.manifest.task
    if bounds.needs_labels and not task.labels:
        option = "--min-worst-label" if bounds.min_macro_f1 is None else "--min-macro-f1"
        message = f"{task.name} has no labels: its kind is {task.kind}"
        raise InputError(message, where=option, hint="--min-score bounds the main score of any kind.")
    if task.kind == "regression" and (bounds.min_agreement is not None or bounds.max_ece is not None):
        message = f"{task.name} asks for numbers, which have no confidence and are never quite the same"
        raise InputError(message, where="--max-ece" if bounds.min_agreement is None else "--min-agreement")
    if other is None:
        return
    reference = other.manifest.task
    if other.id == stored.id:
        raise InputError(f"{stored.id} always agrees with itself", where="--against", hint="Name another adapter.")
    if not same_questions(reference, task):
        message = f"{other.id} answers for {reference.name}, with other data or labels than {stored.id} for {task.name}"
        raise InputError(message, where="--against")


def check_answers(
    stored: StoredAdapter,
    other: StoredAdapter | None,
    bounds: AdapterBounds,
    task_folders: Sequence[Path],
    known: Evaluations,
) -> Iterator[Check]:
    """Yield the checks of what an adapter answers, label by label, and of how often ``other`` answers the same.

    ``known`` has what they answered before, and keeps what they answer now.

    Raises:
        InputError: the data are not to be had, or a backbone is not where it was.
    """
    from adapter_workbench.experiments.workspace.evaluating import answered
    from adapter_workbench.workbench.probes.calibration import calibration_error, with_confidence

    task = adapter_task(stored, task_folders, NEED, INSTEAD)
    own = answered(stored, task, "validation", known)
    if bounds.needs_labels:
        yield from _by_label(task, own, bounds)
    if bounds.min_agreement is not None and other is not None:
        others = answered(other, task, "validation", known)
        pairs = zip(own["prediction"].tolist(), others["prediction"].tolist(), strict=True)
        equal = [ours == theirs for ours, theirs in pairs]
        agreement = 100 * sum(equal) / len(equal)
        yield Check("same validation answers", "at least", bounds.min_agreement, agreement, note=f"as {other.id}")
    if bounds.max_ece is not None:
        confidence, correct = with_confidence(own)
        error = 100 * calibration_error(confidence, correct) if len(confidence) else None
        note = "no answer has a confidence" if error is None else ""
        yield Check("validation calibration error", "at most", bounds.max_ece, error, note=note)


def same_questions(task: TaskReference, other: TaskReference) -> bool:
    """Return whether two adapters answer the same examples with the same labels.

    Where the data of one are unknown, both answer those of the task as it is here.
    """
    same = (task.kind, task.pair, {*task.labels}) == (other.kind, other.pair, {*other.labels})
    if task.fingerprint and other.fingerprint:
        return same and task.fingerprint == other.fingerprint
    return same and task.name == other.name


def _by_label(task: Task, answers: pd.DataFrame, bounds: AdapterBounds) -> Iterator[Check]:
    """Yield the checks of macro F1 and of the worst label; a label that no validation example has is not looked at."""
    from adapter_workbench.workbench.methods.kinds import KINDS

    counts = KINDS.get(task.kind).label_counts(answers, task.labels)
    scores = counts.scores() if counts else []
    if bounds.min_macro_f1 is not None:
        yield Check("validation macro F1", "at least", bounds.min_macro_f1, _percent(macro_f1(scores)))
    if bounds.min_worst_label is not None:
        worst = worst_label(scores)
        note, lowest = (in_words(worst), _percent(worst.f1)) if worst else ("no label is there", None)
        yield Check("validation F1 of the worst label", "at least", bounds.min_worst_label, lowest, note=note)


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
