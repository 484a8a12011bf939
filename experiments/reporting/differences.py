"""A difference of two scores: paired over replications, and over test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.statistics import Interval

SAME = "not distinguishable"
MARKS = {"higher": "▲", "lower": "▼", SAME: "="}  # of readings, where there is no room for words


@dataclass(frozen=True)
class Difference:
    """Strategy − reference in one metric.

    Attributes:
        seeds: 95 % t interval of the differences at equal seeds and orders: what another training would change.
        examples: 95 % bootstrap interval over test examples: what another test split would change. None where it
            does not apply: outcomes missing, or a score that is not a mean over examples.
    """

    seeds: Interval
    examples: Interval | None = None

    @property
    def preferred(self) -> Interval:
        """The interval over examples where there is one, else that over seeds: for studies of few seeds."""
        return self.examples or self.seeds

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, reading}`` and ``bootstrap``, the same over examples."""
        document = {**self.seeds.as_json(), "reading": reading(self.seeds)}
        if self.examples:
            document["bootstrap"] = {**self.examples.as_json(), "reading": reading(self.examples)}
        return document


def reading(difference: Interval) -> str:
    """Return what an interval of differences says: higher, lower, not distinguishable; or that there is none."""
    if difference.mean is None:
        return "not measured"
    if difference.holds_zero is None:
        return "no interval"
    if difference.holds_zero:
        return SAME
    return "higher" if difference.mean > 0 else "lower"


def legend(over: str = "") -> str:
    """Return what the marks of readings mean; ``over`` says over what the intervals are."""
    signs = "  ".join(f"{mark} {word}" for word, mark in MARKS.items())
    return f"{signs}: the 95 % interval{f' over {over}' if over else ''} holds 0"
