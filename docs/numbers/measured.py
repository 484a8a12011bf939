"""What the files in ``docs/results`` hold, and how it is written on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from experiments.reporting.differences import SAME, reading
from experiments.reporting.wording import DASH, bounds, number, with_margin
from workbench.statistics import Interval

FOLDER = Path(__file__).parents[1] / "results"


def read(name: str) -> Any:
    """Return the document in ``docs/results/NAME.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def interval(found: Mapping[str, Any]) -> Interval:
    """Return ``{mean, low, high}`` as an interval."""
    return Interval(found["mean"], found["low"], found["high"])


def score(found: Mapping[str, Any]) -> str:
    """Return ``93.6 ±1.2``."""
    return with_margin(interval(found))


def mean(found: Mapping[str, Any]) -> str:
    """Return ``93.6``."""
    return number(found["mean"])


def limits(found: Mapping[str, Any], sign: int = 1) -> str:
    """Return ``[−1.2, 3.4]``."""
    return bounds(interval(found), sign)


def with_limits(found: Mapping[str, Any]) -> str:
    """Return ``93.6 [92.4, 94.8]``."""
    return f"{mean(found)} {limits(found)}".rstrip()


def gap(found: Mapping[str, Any]) -> str:
    """Return ``+9.6 [8.5, 10.7]``."""
    return f"{number(found['mean'], signed=True)} {limits(found)}".rstrip()


def told_apart(found: Mapping[str, Any]) -> bool:
    """Return whether an interval of differences says that there is one: what a sentence that claims it asks."""
    return reading(interval(found)) in ("higher", "lower")


def require(claim: bool, words: str) -> str:
    """Return ``words``; they are no longer true of the file where ``claim`` is not.

    Raises:
        ValueError: the file does not bear the words out.
    """
    if not claim:
        raise ValueError(f"the file does not bear out: {words}")
    return words


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def joined(parts: Iterable[str]) -> str:
    """Return ``a, b and c``."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


__all__ = [
    "DASH",
    "SAME",
    "gap",
    "interval",
    "joined",
    "limits",
    "mean",
    "number",
    "read",
    "require",
    "row",
    "score",
    "told_apart",
    "with_limits",
]
