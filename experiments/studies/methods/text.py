"""The report on a comparison of methods, for a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import SAME, reading
from experiments.reporting.wording import DASH, count, megabytes, number, plural, seconds, unit, with_margin
from experiments.terminal.output import stdout, table

if TYPE_CHECKING:
    from experiments.reporting.differences import Difference
    from experiments.studies.methods.report import ComparisonReport, Row

MARKS = {"higher": "▲", "lower": "▼", SAME: "="}
MOST_TASKS = 3  # whose scores have room in a line


def show(report: ComparisonReport) -> None:
    """Print verdict, scores with their intervals, and costs; the best method first."""
    record = report.record
    stdout.print(record.experiment, style="bold", end="  ")
    tasks = ", ".join(record.tasks) if len(record.tasks) <= MOST_TASKS else plural(len(record.tasks), "task")
    stdout.print(f"{tasks}, {plural(len(record.seeds), 'seed')}, backbone {record.backbone}")
    stdout.print(f"{tuned(report)}\n")
    stdout.print(report.verdict, soft_wrap=False)
    if report.scored:
        _scores(report)
        _failures(report)
        _costs(report)


def tuned(report: ComparisonReport) -> str:
    """Return how learning rates were chosen, and which methods have none."""
    record = report.record
    untrained = [entrant.label for entrant in record.entrants if not entrant.trains]
    if untrained and len(untrained) == len(record.entrants):
        return "Nothing is trained, so that there is no learning rate to choose."
    rate = "Each method at its own learning rate"
    if record.tune:
        rate = f"Each at the best of {plural(record.tune, 'learning rate')}, picked on validation, with another seed"
    verbs = ("trains", "has") if len(untrained) == 1 else ("train", "have")
    return f"{rate}; {', '.join(untrained)} {verbs[0]} nothing and {verbs[1]} none." if untrained else f"{rate}."


def _scores(report: ComparisonReport) -> None:
    record = report.record
    several = 1 < len(record.tasks) <= MOST_TASKS
    columns = [*(record.tasks if several else ()), "mean" if len(record.tasks) > 1 else "score"]
    rows = [
        [
            row.label,
            *(number(row.tasks[task].mean) for task in (record.tasks if several else ())),
            with_margin(row.score),
            difference(row.difference),
        ]
        for row in report.scored
    ]
    over = "" if len(record.seeds) == 1 else ", ± half the 95 % interval over seeds"
    title = f"\nTest score in {unit(record.kinds).words}{over}"
    table(["method", *columns, f"minus {record.reference}"], rows, title=title)
    if len(record.seeds) > 1:
        stdout.print(f"▲ higher  ▼ lower  {MARKS[SAME]} not distinguishable: the paired interval holds 0")


def _failures(report: ComparisonReport) -> None:
    """Say which methods seem to have learned nothing, and with what."""
    for row in report.scored:
        if not row.learned_nothing:
            continue
        task, seed, why = row.learned_nothing[0]
        others = len(row.learned_nothing) - 1
        more = (
            f"; so {'do' if others > 1 else 'does'} {plural(others, 'more adapter')} of its {len(row.cells)}"
            if others
            else ""
        )
        told = f"! {row.label} learned nothing that the test of {task} shows (seed {seed}): {why}{more}."
        stdout.print(told, soft_wrap=False)
    if any(row.learned_nothing for row in report.scored):
        stdout.print("  To try: more epochs, another learning rate (--tune 3), more examples.")


def _costs(report: ComparisonReport) -> None:
    rows = [
        [
            row.label,
            count(row.trainable_parameters),
            seconds(row.seconds),
            megabytes(row.measured.step_mb if row.measured else None),
            megabytes(row.stored_bytes / 1e6 if row.stored_bytes is not None else None),
            slowdown(row),
        ]
        for row in report.scored
    ]
    columns = ["method", "trained", "training", "step memory", "stored", "answering"]
    table(columns, rows, title="\nCost; answering is held against the bare backbone")


def difference(found: Difference | None) -> str:
    """Return ``+1.3 ±0.4 ▲`` in points, the interval over seeds; nothing for the reference itself."""
    if found is None:
        return ""
    return f"{with_margin(found.seeds, signed=True)} {MARKS.get(reading(found.seeds), '')}".rstrip()


def slowdown(row: Row) -> str:
    """Return how much longer an answer takes than the bare backbone's: ``+12 %``."""
    if row.slowdown is None:
        return DASH
    text = f"{100 * row.slowdown:+.0f}"
    return f"{'0' if float(text) == 0 else text.replace('-', '−')} %"
