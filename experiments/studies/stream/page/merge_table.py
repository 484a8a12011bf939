"""What people see of merges: a table of all of them, and a sentence for each strategy that merges."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Medium, Table
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import number, plural, some, unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.studies.stream.results.merges import Merge
    from adapter_workbench.experiments.studies.stream.results.report import Report

NAMED = 4  # tasks of a LoRA
SENTENCES = 6  # at most, about strategies that merge


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
