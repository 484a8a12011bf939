"""The settings in docs/how-to/drift.md, and what is said of its error rates."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, whole

from adapter_workbench.experiments.answers.drift.bounds import LEAST_LEVEL, LEVEL
from adapter_workbench.experiments.answers.drift.result import FEWEST
from adapter_workbench.experiments.answers.drift.signals import FAR, NAMES, deals_at

STATED = [
    f"`--level {LEVEL}`",
    f"use {deals_at(LEVEL)} deals; at a level below {len(NAMES) / deals_at(LEVEL):.3f} more",
    f"more, {len(NAMES)} ÷ level",
    f"The smallest level is {LEAST_LEVEL}.",
]


def pieces() -> Iterator[str]:
    """Yield the bounds, and in which files foreign texts are always found."""
    many = [figures["foreign"]["200"]["0.2"]["alarm"] for figures in read("drift")["drift"].values()]
    require(min(many) == 1, "20 % of foreign texts are found in all files of 200 rows")
    yield "of files of 200 rows, all in which 20 % of the texts were foreign"
    yield f"{whole(FAR)} % of the task's own rows are beyond the bound"
    yield f"With fewer than {FEWEST} rows"
