"""What checkpoints lost and gained, in sentences that need no statistics to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.wording import number, plural, some
from adapter_workbench.experiments.studies.stream.results.examined import examined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

NAMED = 4


def examined_in_words(record: Record, strategy: StrategyReport) -> str:
    """Return of how many tasks the last checkpoint lost and gained something against the first, and which."""
    changes = examined(record, strategy)
    names = record.checkpoints[strategy.label]
    if not changes:
        return f"No verdict yet: {strategy.finished} of {strategy.planned} checkpoints after the first are measured."
    first, last = names[0], names[-1]
    lost, gained, rest = ([change for change in changes if change.reading == word] for word in READINGS)
    if not lost and not gained:
        tasks = plural(len(changes), "task")
        return f"Nothing shows that {last} answers otherwise than {first}: no change of {tasks} is beyond chance."
    sentences = [f"Against {first}, {last} lost on {_named(lost)} and gained on {_named(gained)}."]
    if rest:
        sentences.append(f"On {plural(len(rest), 'other task')} no change is beyond chance.")
    if hidden := [change.task for change in lost if change.is_hidden]:
        sentences.append(f"Most of the loss on {some(hidden, NAMED)} is hidden, not lost: a head fitted anew has it.")
    return " ".join(sentences)


READINGS = ("lost", "gained", "undecided")


def _named(changes: Sequence[ExaminedChange]) -> str:
    if not changes:
        return "none"
    largest = sorted(changes, key=lambda change: -abs(change.last - change.first))
    points = [f"{change.task} ({number(change.last - change.first, signed=True)})" for change in largest]
    return some(points, NAMED)
