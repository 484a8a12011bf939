"""The report on a comparison of compositions, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import SAME, reading
from experiments.reporting.wording import number, plural
from experiments.studies.compositions.verdict import verdict
from experiments.terminal.output import stdout, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.reporting.differences import Difference
    from experiments.studies.compositions.report import FusionReport, Kept, Row

MARKS = {"higher": "▲", "lower": "▼", SAME: "="}


def show(report: FusionReport) -> None:
    """Print verdict, table, retention, and what it cost."""
    record = report.record
    sizes = ", ".join(str(shots) for shots in record.shots)
    stdout.print(record.experiment, style="bold", end="  ")
    stdout.print(
        f"{plural(len(record.targets), 'target')}, K = {sizes}, {plural(len(record.seeds), 'seed')}, "
        f"backbone {record.backbone}\n"
    )
    stdout.print(verdict(report), soft_wrap=False)
    stdout.print()
    _scores(report)
    _kept(report)


def _scores(report: FusionReport) -> None:
    """Print scores and differences, best first; picks stand on top."""
    record, overall = report.record, report.overall
    rows = [row for row in report.rows if row.standings[overall].score is not None]
    ordered = sorted(rows, key=lambda row: (row.role != "pick", -(row.standings[overall].score or 0)))
    columns = [*map(str, record.shots), *(["all"] if len(record.shots) > 1 else [])]
    title = "Test score by K, percent, mean over targets and seeds"
    lines = [_line(row, report) for row in ordered]
    table(["", *columns, f"minus {record.reference}"], lines, title=title)
    stdout.print(
        f"▲ higher  ▼ lower  {MARKS[SAME]} not distinguishable: the 95 % interval over test examples holds 0\n"
    )


def _line(row: Row, report: FusionReport) -> list[object]:
    last = row.standings[report.overall]
    scores = [number(one.score) for one in row.standings.values()]
    own = row.label == report.record.reference
    return [row.label, *scores, "" if own else difference(last.gain)]


def difference(gain: Difference | None) -> str:
    """Return ``+1.3 [0.2, 2.4] ▲`` in points: the interval over examples, else that over seeds."""
    if gain is None:
        return "–"
    shown = gain.examples or gain.seeds
    if shown.low is None or shown.high is None:
        return number(shown.mean, signed=True)
    return f"{number(shown.mean, signed=True)} [{number(shown.low)}, {number(shown.high)}] {MARKS[reading(shown)]}"


def _kept(report: FusionReport) -> None:
    if not report.retained:
        return
    tasks = list(dict.fromkeys(one.task for one in report.retained))
    labels = list(dict.fromkeys(one.label for one in report.retained))
    found = {(one.label, one.task): one for one in report.retained}
    alone = {one.task: one.alone for one in report.retained}
    rows = [["the source alone", *(number(alone[task]) for task in tasks)]]
    rows += [[label, *(_fused(found, label, task) for task in tasks)] for label in labels]
    title = "What the composed adapter still knows of the sources' own tasks, under their own heads, percent"
    table(["", *tasks], rows, title=title)
    stdout.print()


def _fused(found: Mapping[tuple[str, str], Kept], label: str, task: str) -> str:
    one = found.get((label, task))
    return number(one.fused) if one else "–"
