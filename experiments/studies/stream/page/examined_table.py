"""What checkpoints lost and gained, as a table and in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Sentences, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import bounds, number, probability, unit
from adapter_workbench.experiments.studies.stream.results.examined import majority_of, text_losses
from adapter_workbench.experiments.studies.stream.results.layers import changed_most
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Block
    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.report import Report

TESTS = {
    False: "McNemar's test of answers that are right or wrong, else by the paired t-test over test examples",
    True: "the t-test over seeds, to whose variance that of the test examples is added",
}  # by whether there are several seeds
TONES = {"lost": "bad", "gained": "good"}
WAYS = {
    "generated": "by the answers that it generates",
    "likelihood": "by the label that it holds to be the most likely continuation (the sum of the log-probabilities of "
    "its tokens: acc of EleutherAI's harness)",
    "likelihood per character": "by the label that it holds to be the most likely continuation for its length (the "
    "sum of the log-probabilities of its tokens, divided by its characters: acc_norm of EleutherAI's harness)",
    "harness": "as EleutherAI's evaluation harness asks it, by the harness's own score of each question",
    "own head": "by the heads that came with the checkpoints",
    "fitted head": "by a linear head that is fitted, for each checkpoint anew, on the features of training rows: what "
    "is lost here is lost from the features",
}


def examined_blocks(report: Report) -> Iterator[Block]:
    """Yield what was lost and gained, how each task was answered, and where in the model it changed."""
    changes = [change for strategy in report.strategies for change in report.examined(strategy)]
    if not changes:
        return
    yield _table(report, changes)
    ways = dict.fromkeys(change.way for change in changes)
    named = {way: dict.fromkeys(change.task for change in changes if change.way == way) for way in ways}
    lines = [f"{', '.join(tasks)}: answered {WAYS[way]}." for way, tasks in named.items()]
    lines += [_hidden(change) for change in changes if change.is_hidden]
    if at_floor := [change.task for change in changes if change.first <= majority_of(report.record, change.task)]:
        few = ", ".join(dict.fromkeys(at_floor))
        lines.append(
            f"{few}: the first checkpoint is no better than always the most frequent answer, so that nothing can be "
            "seen to be lost there."
        )
    for strategy in report.strategies:
        if losses := text_losses(strategy):
            then, now = losses
            difference = f"{now - then:+.3f}".replace("-", "−")
            lines.append(
                f"{strategy.label}: the loss on general text went from {then:.3f} to {now:.3f} nats a token "
                f"({difference})."
            )
        if layer_and_similarity := changed_most(strategy):
            layer, similarity = layer_and_similarity
            lines.append(
                f"{strategy.label}: the hidden states changed most in layer {layer}: their similarity (CKA) to those "
                f"of the first checkpoint is {similarity:.2f}, mean over tasks."
            )
    yield Sentences(lines, Medium.ANY)


def _hidden(change: ExaminedChange) -> str:
    lost = change.first - change.last
    assert change.refitted is not None
    return (
        f"{change.task}: of {number(lost)} points, a head fitted anew lost {number(max(change.refitted, 0.0))}: most "
        "of the loss is hidden, not lost."
    )


def _table(report: Report, changes: list[ExaminedChange]) -> Table:
    labels: list[Shown[ExaminedChange]] = (
        [Shown(Column("strategy"), lambda change: words(change.label))] if len(report.strategies) > 1 else []
    )
    refitted = any(change.refitted is not None for change in changes)
    anew: list[Shown[ExaminedChange]] = (
        [Shown(Column("lost by a new head"), lambda change: quantity(change.refitted))] if refitted else []
    )
    tests = ", or ".join(TESTS[several] for several in sorted({change.seeds > 1 for change in changes}))
    return table(
        "examined",
        "What was lost and gained",
        changes,
        [
            *labels,
            Shown(Column("task"), lambda change: words(change.task)),
            Shown(Column("first"), lambda change: quantity(change.first)),
            Shown(Column("best", "before the last"), lambda change: quantity(change.best)),
            Shown(Column("last"), lambda change: quantity(change.last)),
            Shown(Column("change", "last − first"), _change),
            Shown(Column("p", "adjusted for the number of tasks (Holm)"), lambda change: words(_p(change))),
            *anew,
            Shown(Column("answered", media=Medium.PAGE, left=True), lambda change: words(change.way)),
        ],
        note=f"Scores in {unit(report.record.kinds).words}, changes in points, on the same test examples, with 95 % "
        f"intervals. Lost or gained: p below 0.05, by {tests}, adjusted for the number of tasks (Holm). The intervals "
        "are not adjusted.",
        short=f"Lost and gained, {unit(report.record.kinds).words}",
    )


def _change(change: ExaminedChange) -> Cell:
    value, tone = change.change, TONES.get(change.reading, "even")
    limits = bounds(value)
    return Cell(number(value.mean, signed=True), value.mean, value, limits, (limits,), change.reading, tone)


def _p(change: ExaminedChange) -> str:
    return probability(change.adjusted, LEVEL).removeprefix("p ").removeprefix("= ")
