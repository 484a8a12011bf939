"""What people see of a stream: verdict, comparison, accuracy matrices, figures, probes, cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.below_differences import below_differences
from adapter_workbench.experiments.reporting.learned_nothing import warnings
from adapter_workbench.experiments.reporting.presentation import Medium, Paragraph, Sentences
from adapter_workbench.experiments.reporting.wording import plural
from adapter_workbench.experiments.studies.stream.page import difference_tables, long_streams, merge_table, tables
from adapter_workbench.experiments.studies.stream.page.beginning_table import beginning_table
from adapter_workbench.experiments.studies.stream.page.conditions import conditions
from adapter_workbench.experiments.studies.stream.page.examined_table import examined_blocks
from adapter_workbench.experiments.studies.stream.page.gallery import figures
from adapter_workbench.experiments.studies.stream.page.sentences import spurious_sentences
from adapter_workbench.experiments.studies.stream.page.tracking import experiment_note, tracking
from adapter_workbench.experiments.studies.stream.page.unlearned_sentences import is_all, sentences

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Block, Presentation
    from adapter_workbench.experiments.studies.stream.results.report import Report

REMEDIES = "more epochs, another learning rate (`tune` in the recipe tries some), more examples"


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
        yield difference_tables.differences(report)
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
        yield difference_tables.pairs(report)
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
    if table := merge_table.merge_table(report):
        yield Sentences(merge_table.merge_sentences(report), Medium.ANY)
        yield table
    if began := beginning_table(report):
        yield began
