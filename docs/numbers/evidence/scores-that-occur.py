"""The numbers of docs/evidence/scores-that-occur.md, whose tables bench.scores_that_occur writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from measured import number, read, require, row

STATED = [
    "the nominal one is 5",
    "the standard deviation of a row is 1 point",
    "a chance of less than one half",
    "the row needs 0.7, since a level below 5 % forgives less",
    "or 0 and 0.5 %",
    "error of 5.3 / 5.2 / 5.2 %",  # tests/bench/test_scores_that_occur.py
    "so no test can hold 5 % in the reports that have one",
    "If none of five collapsed, up to 45 % may.",  # 1 − 0.05^(1/5)
]
Entries = Sequence[Mapping[str, Any]]
SHAPES = {
    "skewed": "skewed (exponential)",
    "heavy": "heavy tails (t, 3 degrees)",
    "ties": "ties (rounded to 1 point)",
    "two": "two values",
}


def pieces() -> Iterator[str]:
    """Yield the tables."""
    document = read("scores-that-occur")
    found = ("before", "now", "now_family", "before_found", "now_found")
    for case, of in grouped(document["together"], "rows", "tasks", "correlation"):
        yield row(*map(str, case), *(by_seeds(of, key) for key in found))
    for (name,), of in grouped(document["spreads"], "of"):
        yield row(f"`{name}`", *(by_seeds(of, key) for key in found))
    for entry in document["at_looks"]:
        rates = (number(entry[key]) for key in ("now", "now_family", "now_equal"))
        yield row(entry["test"], str(entry["rows"]), str(entry["correlation"] or ""), *rates)
    for (answers, low, spread), of in grouped(document["near_floor"], "answers", "lower", "spread"):
        apart = f", seeds differ by {100 * spread:g} points" if spread else ""
        shares = f"{100 * low:g} and {100 * low + 5:g} %{apart}"
        yield row(str(answers), shares, *(by_seeds(of, key) for key in ("before", "now", "now_found")))
    for (shape,), of in grouped(document["shapes"], "shape"):
        yield row(SHAPES[shape], by_seeds(of, "now"), by_seeds(of, "now_equal"))
    yield from collapses(document["collapses"])
    for (name, test), of in grouped(document["ours"], "of", "test"):
        before = "" if test == "paired" else by_seeds(of, "before")
        rates = (by_seeds(of, key) for key in ("now", "now_equal", "now_family"))
        yield row(f"`{name}`", str(of[0]["rows"]), str(of[0]["tasks"]), test, before, *rates)
    held = [*document["together"], *document["spreads"], *document["at_looks"]]
    require(max(entry[key] for entry in held for key in ("now", "now_family", "now_equal")) <= 0.056, "levels hold")


def collapses(entries: Entries) -> Iterator[str]:
    """Yield a row for each collapse and true difference."""
    keys = ("false_of_mean", "false_of_both", "false_as_said")
    for (by, share, difference), of in grouped(entries, "by", "share", "difference"):
        words = f"{by:g} points, 1 seed of {round(1 / share)}; {'−3 points' if difference else 'equal means'}"
        yield row(words, *(by_seeds(of, key) for key in keys))
    require(max(entry["false_as_said"] for entry in entries) <= 0.028, "as said, few are false")


def grouped(entries: Entries, *keys: str) -> Iterator[tuple[tuple[Any, ...], Entries]]:
    """Yield what entries share under ``keys``, and those that do."""
    for shared in dict.fromkeys(tuple(entry[key] for key in keys) for entry in entries):
        yield shared, [entry for entry in entries if tuple(entry[key] for key in keys) == shared]


def by_seeds(entries: Entries, key: str) -> str:
    """Return ``5.0 / 4.9 / 5.1``: a rate in percent with 3, 5 and 8 seeds."""
    return " / ".join(number(entry[key]) for entry in entries)
