"""What people see of a stream: verdict, comparison, accuracy matrices, figures, probes, cost."""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.learned_nothing import warnings
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Paragraph, Sentences, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import bounds, number, plural, probability, some, unit
from adapter_workbench.experiments.studies.stream.page import long_streams, tables
from adapter_workbench.experiments.studies.stream.page.conditions import conditions
from adapter_workbench.experiments.studies.stream.page.gallery import figures
from adapter_workbench.experiments.studies.stream.page.sentences import is_all, sentences, spurious_sentences
from adapter_workbench.experiments.studies.stream.page.tracking import experiment_note, tracking
from adapter_workbench.experiments.studies.stream.results.examined import majority_of, text_losses
from adapter_workbench.experiments.studies.stream.results.probe_summaries import changed_most
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.stream.results.examined import ExaminedChange
    from adapter_workbench.experiments.studies.stream.results.merges import Merge
    from adapter_workbench.experiments.studies.stream.results.report import Report

REMEDIES = "more epochs, another learning rate (`tune` in the recipe tries some), more examples"
NAMED = 4  # tasks of a LoRA
SENTENCES = 6  # at most, about strategies that merge
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


def present(report: Report) -> Presentation:
    """Return what people see of a report on a stream."""
    record = report.record
    facts = (plural(len(record.tasks), "task"), record.replicated)
    shown = len(report.strategies)
    further = ("1 strategy" if shown == 1 else f"{shown} strategies", record.scenario)
    note = experiment_note(record)
    return report.presented("forgetting report", facts, _blocks, tracking, note, further)


def _blocks(report: Report) -> Iterator[Block]:
    unlearned = [*warnings(sentences(report.strategies), REMEDIES)]
    yield from unlearned if is_all(report.strategies) else ()
    yield from examined_blocks(report)
    yield tables.scores(report)
    yield tables.legend(report)
    if any(strategy.differences for strategy in report.strategies):
        yield tables.differences(report)
        yield from below_differences(report.declared, "average accuracy", report.record.verdicts_after)
    yield from _task_by_task(report)
    yield from unlearned if not is_all(report.strategies) else ()
    yield from _learning(report)
    yield from figures(report)
    if probes := tables.probes(report):
        yield probes
    if spurious := spurious_sentences(report):
        yield Sentences(spurious)
    if report.pairs:
        yield tables.pairs(report)
    yield tables.further(report)
    yield tables.cells(report)
    yield tables.cost(report)
    yield from conditions(report)
    if not report.complete:
        progress = ", ".join(f"{part.label} {part.finished}/{part.planned}" for part in report.everything)
        yield Paragraph(f"Not finished: {progress} stages.", "warning", Medium.TERMINAL)


def _task_by_task(report: Report) -> Iterator[Block]:
    """Yield the accuracy matrices, or what replaces them in a long stream."""
    matrices = tables.matrices(report)
    if not long_streams.is_long(report):
        yield matrices
        return
    yield replace(matrices, media=Medium.EXPORT)
    if lost := long_streams.lost_most(report):
        yield lost
    yield long_streams.by_task(report)


def _learning(report: Report) -> Iterator[Block]:
    """Yield what merges cost, and how fast new tasks are learned."""
    if table := merge_table(report):
        yield Sentences(merge_sentences(report), Medium.ANY)
        yield table
    if began := tables.beginning_table(report):
        yield began


# What people see of merges: a table of all of them, and a sentence for each strategy that merges.


def merge_table(report: Report) -> Table | None:
    """Return what each merge cost; None where there was none."""
    merged = [(strategy.label, merge) for strategy in report.strategies for merge in report.merges(strategy)]
    if not merged:
        return None

    def of_merge(column: Column, show: Callable[[Merge], Cell]) -> Shown[tuple[str, Merge]]:
        return Shown(column, lambda row: show(row[1]))

    columns = [
        Shown(Column("strategy"), lambda row: words(row[0])),
        of_merge(Column("seed"), lambda merge: words(merge.seed)),
        of_merge(Column("stage"), lambda merge: words(merge.stage)),
        of_merge(Column("became one", left=True), lambda merge: words(_task_groups(merge.parts))),
        of_merge(Column("lost", "mean over its tasks"), lambda merge: quantity(merge.mean)),
        of_merge(Column("most", left=True), lambda merge: words(_worst(merge))),
    ]
    sign = unit(report.record.kinds).words
    note = (
        f"Score before the merge − score after it, {sign}. That of the stage's own task before is its isolated "
        "adapter's, where the recipe has that strategy. A task without both scores is left out of the mean."
    )
    return table("merges", "What each merge cost", merged, columns, note, media=Medium.PAGE, folded=True)


def merge_sentences(report: Report) -> list[str]:
    """Return what the merges of each strategy cost in the mean, and which cost most.

    Of many strategies those whose merges cost least and most are named, in the recipe's order.
    """
    sentences: list[tuple[float, str]] = []
    for strategy in report.strategies:
        merges = report.merges(strategy)
        costs = [(mean, merge) for merge in merges if (mean := merge.mean) is not None]
        if costs:
            most, costly = max(costs, key=lambda cost: cost[0])
            were = "was" if len(costs) == 1 else "were"
            measured = "" if len(costs) == len(merges) else f", of which {len(costs):,} {were} measured"
            mean_of_all = fmean(mean for mean, _ in costs)
            where = f"stage {costly.stage} of seed {costly.seed} ({_task_groups(costly.parts)})"
            sentence = (
                f"{strategy.label}: {plural(len(merges), 'merge')}{measured}, at {number(mean_of_all)} points a task "
                f"in the mean; the one at {where} cost most: {number(most)}."
            )
            sentences.append((mean_of_all, sentence))
    left_out = len(sentences) - SENTENCES
    if left_out <= 0:
        return [sentence for _, sentence in sentences]
    half = SENTENCES // 2
    between = sorted(sentences)[half:-half]
    shown = [sentence for cost, sentence in sentences if (cost, sentence) not in between]
    return [*shown, f"Of {left_out} more strategies that merge, the page lists every merge."]


def _task_groups(parts: Sequence[Sequence[str]]) -> str:
    return " | ".join(some(part, NAMED) for part in parts)


def _worst(merge: Merge) -> str:
    losses = {task: lost for task, lost in merge.lost.items() if lost is not None}
    task = max(losses, key=lambda name: losses[name], default=None)
    return "" if task is None else f"{task} {number(losses[task])}"


# What checkpoints lost and gained, as a table and in sentences.


def examined_blocks(report: Report) -> Iterator[Block]:
    """Yield what was lost and gained, how each task was answered, and where in the model it changed."""
    changes = [change for strategy in report.strategies for change in report.examined(strategy)]
    if not changes:
        return
    yield _examined_table(report, changes)
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


def _examined_table(report: Report, changes: list[ExaminedChange]) -> Table:
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
