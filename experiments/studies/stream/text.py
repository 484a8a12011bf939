"""The report on a terminal: verdict, comparison, accuracy matrices, cost; made for 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.columns import Columns
from rich.console import Group
from rich.table import Table
from rich.text import Text

from experiments.reporting.differences import reading
from experiments.reporting.wording import DASH, count, megabytes, number, plural, replicated, seconds, unit, with_margin
from experiments.terminal import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from experiments.studies.stream.report import Report, StrategyReport

# cividis at seven places, dark to light, so that a terminal need not import matplotlib
RAMP = ("#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838")
COLUMNS = {
    "average_accuracy": "average",
    "learning_accuracy": "learned",
    "forgetting": "forgot",
    "backward_transfer": "backward",
    "intransigence": "intrans.",
}


def show(report: Report, console: Console | None = None) -> None:
    """Print ``report`` on stdout, or on ``console``."""
    console = console or output.stdout

    def say(*parts: RenderableType) -> None:
        for part in parts:  # the console of the commands does not wrap, and a paragraph wants to be
            console.print(part, soft_wrap=False, width=min(console.width, 100))

    record = report.record
    repeated = replicated(len(record.seeds), len(record.orders))
    facts = f"{plural(len(record.tasks), 'task')}, {repeated}, backbone {record.backbone}"
    say(Text.assemble((record.experiment, "bold"), f"  {facts}"), "", Text(report.verdict))
    say("", _scores(report))
    if any(one.comparison for one in report.strategies):
        say("", _differences(report))
        say(Text("▲ higher  ▼ lower  = not distinguishable: the 95 % interval holds 0", "dim"))
    say("", *_matrices(report), _cost(report))
    if not report.complete:
        everything = (*report.strategies, *report.others)
        progress = ", ".join(f"{one.label} {one.finished}/{one.planned}" for one in everything)
        say("", Text(f"Not finished: {progress} stages.", "yellow"))


def _table(title: str, first: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    table.add_column(first, overflow="fold", max_width=24)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _scores(report: Report) -> Table:
    repeated = replicated(len(report.record.seeds), len(report.record.orders))
    with_interval = f", {repeated}" if repeated == "1 seed" else f", ± half the 95 % interval, {repeated}"
    table = _table(f"{unit(report.record.kinds).title} and points{with_interval}", "strategy", [*COLUMNS.values()])
    for one in report.strategies:
        table.add_row(Text(one.label), *(with_margin(one.metrics[name]) for name in COLUMNS))
    return table


def _differences(report: Report) -> Table:
    table = _table(f"Difference from {report.record.reference}", "strategy", ["average", "learned", "forgot"])
    for one in report.strategies:
        if one.comparison:
            gaps = (one.comparison.differences[name].seeds for name in [*COLUMNS][:3])
            words = {"higher": " ▲", "lower": " ▼", "not distinguishable": " ="}
            cells = (f"{with_margin(gap, signed=True)}{words.get(reading(gap), '  ')}" for gap in gaps)
            table.add_row(Text(one.label), *cells)
    return table


def _matrices(report: Report) -> list[RenderableType]:
    """Return R of each strategy; tasks have numbers, named once below the title."""
    names = [Text(f"{place} {task}", "dim") for place, task in enumerate(report.record.tasks, start=1)]
    scores = [value for one in report.strategies for row in one.matrix for value in row if value is not None]
    lowest = min(scores, default=0.0)
    own = ", the recipe's order" if len(report.record.orders) > 1 else ""
    title = Text(f"Score of each task (column) after each stage (row), {unit(report.record.kinds).words}{own}", "bold")
    blocks = [Group(Text(one.label), _matrix(one, lowest), "") for one in report.strategies]
    return [title, Columns(names, padding=(0, 2)), "", Columns(blocks, padding=(0, 3))]


def _matrix(strategy: StrategyReport, lowest: float) -> Text:
    rows = [(stage, row) for stage, row in enumerate(strategy.matrix) if stage or any(cell is not None for cell in row)]
    text = Text(no_wrap=True)
    text.append("   " + "".join(f"{place:>6} " for place in range(1, len(strategy.matrix))), "dim")
    for stage, row in rows:
        text.append(f"\n{stage:>2} ", "dim")
        for value in row:
            text.append(f" {number(value):>5} ", _heat(value, lowest))
    return text


def _heat(value: float | None, lowest: float) -> str:
    if value is None:
        return "dim"
    share = (value - lowest) / (1 - lowest) if lowest < 1 else 1.0
    place = min(int(share * len(RAMP)), len(RAMP) - 1)
    return f"{'#ffffff' if place < 3 else '#000000'} on {RAMP[place]}"


def _cost(report: Report) -> Table:
    table = _table("Cost of a stream, mean", "strategy", ["training", "measuring", "memory", "trainable", "stored"])
    for one in report.strategies:
        cost = one.cost
        stored = None if cost.stored_bytes is None else cost.stored_bytes / 1e6
        table.add_row(
            Text(one.label),
            seconds(cost.train_seconds),
            DASH if cost.measuring is None else f"{100 * cost.measuring:.0f} %",
            megabytes(cost.peak_memory_mb),
            count(cost.trainable_parameters),
            megabytes(stored),
        )
    return table
