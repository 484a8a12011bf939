"""The numbers of docs/examine.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, whole

from adapter_workbench.experiments.requests.examine import ROWS
from adapter_workbench.workbench.measures.verdicts import LEVEL

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the level of the tests, and what the default number of rows finds."""
    yield f"if this p is below {LEVEL}, and undecided otherwise"
    document = read("examine-errors")
    require(document["rows_that_find"]["5"] == ROWS, "the least number of rows that finds 5 points is the default")
    found = {(entry["points"], entry["rows"]): entry for entry in document["detection"]}
    cases = " to ".join(whole(found[5, ROWS][case]) for case in ("least", "most"))
    yield f"{ROWS} rows, the default of `--rows`, find a loss of 5 points in {cases} % of examinations"
    yield require(found[2, ROWS]["alone"] < 0.5, "most losses of 2 points stay undecided")
