"""What the files in ``docs/results`` hold, and how it is written on a page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.reporting.differences import reading
from experiments.reporting.wording import (
    DASH,
    bounds,
    count,
    margin,
    megabytes,
    number,
    probability,
    seconds,
    share,
)
from workbench.statistics import Interval

FOLDER = Path(__file__).parents[1] / "results"


def read(name: str) -> Any:
    """Return the document in ``docs/results/NAME.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def interval(value: Mapping[str, Any]) -> Interval:
    """Return ``{mean, low, high}`` as an interval."""
    return Interval(value["mean"], value["low"], value["high"])


def score(value: Mapping[str, Any], signed: bool = False) -> str:
    """Return ``93.6 ±1.2``."""
    return f"{number(value['mean'], signed)} {margin(interval(value))}".rstrip()


def mean(value: Mapping[str, Any]) -> str:
    """Return ``93.6``."""
    return number(value["mean"])


def limits(value: Mapping[str, Any], sign: int = 1) -> str:
    """Return ``[−1.2, 3.4]``."""
    return bounds(interval(value), sign)


def with_limits(value: Mapping[str, Any]) -> str:
    """Return ``93.6 [92.4, 94.8]``."""
    return f"{mean(value)} {limits(value)}".rstrip()


def signed(value: Mapping[str, Any]) -> str:
    """Return ``+2.2``."""
    return number(value["mean"], signed=True)


def gap(value: Mapping[str, Any]) -> str:
    """Return ``+9.6 [8.5, 10.7]``."""
    return f"{number(value['mean'], signed=True)} {limits(value)}".rstrip()


def whole(value: float) -> str:
    """Return a share in whole percent, without the sign: ``93``."""
    return decimals(100 * value, 0)


def decimals(value: float, digits: int) -> str:
    """Return a number with so many digits and a minus of its own: ``−0.15``."""
    return f"{value:.{digits}f}".replace("-", "−")


def rate(value: float) -> str:
    """Return a learning rate: ``5e-4``, ``0.001``."""
    return f"{value:.0e}".replace("e-0", "e-") if value < 0.001 else f"{value:g}"


def times(ratio: float) -> str:
    """Return ``12.8×``, ``2,720×``."""
    return f"{ratio:,.0f}×" if ratio >= 20 or ratio == int(ratio) else f"{ratio:.1f}×"


def mean_validation(fits: Iterable[Mapping[str, Any]]) -> dict[float, float]:
    """Return learning rate → mean validation score of the fits at that rate; the smallest rate first."""
    scores: dict[float, list[float]] = {}
    for fit in fits:
        scores.setdefault(fit["learning_rate"], []).append(fit["validation"])
    return {rate: fmean(scores[rate]) for rate in sorted(scores)}


def pair(document: Mapping[str, Any], first: str, second: str, metric: str = "average_accuracy") -> dict[str, Any]:
    """Return ``first`` − ``second`` in a metric, from the pairs of a stream's document, however they stand there.

    Bounds are those of the pair alone; ``p_holm`` is adjusted for all pairs.
    """
    for entry in document["pairs"]:
        difference = entry[metric]
        if (entry["first"], entry["second"]) == (first, second):
            return dict(difference)
        if (entry["first"], entry["second"]) == (second, first):
            turned = {**negated(difference), "bootstrap": negated(difference.get("bootstrap"))}
            return turned | {"p_holm": difference["p_holm"]}
    raise ValueError(f"no pair {first!r} and {second!r}")


def negated(difference: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the bounds and the mean of the difference the other way round; nothing of nothing."""
    if difference is None:
        return {}
    return {"mean": -difference["mean"], "low": -difference["high"], "high": -difference["low"]}


def distinguished(document: Mapping[str, Any], metric: str = "average_accuracy") -> list[tuple[str, str]]:
    """Return the pairs whose adjusted p tells them apart in a metric."""
    return [
        (entry["first"], entry["second"])
        for entry in document["pairs"]
        if entry[metric]["reading"] in ("higher", "lower")
    ]


def told_apart(value: Mapping[str, Any]) -> bool:
    """Return whether an interval of differences says that there is one: what a sentence that claims it asks."""
    return reading(interval(value)) in ("higher", "lower")


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
    "count",
    "decimals",
    "distinguished",
    "gap",
    "interval",
    "joined",
    "limits",
    "mean",
    "mean_validation",
    "megabytes",
    "number",
    "pair",
    "probability",
    "rate",
    "read",
    "require",
    "row",
    "score",
    "seconds",
    "share",
    "signed",
    "times",
    "told_apart",
    "whole",
    "with_limits",
]
