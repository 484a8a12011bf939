"""The tables of experiments that compare ways to update."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import decimals, gap, mean, probability, read, reading, require, row, score


def entry_rows(name: str) -> Iterator[str]:
    """Yield the table of one finished experiment, a row for each entry, the best first."""
    document = read(name)
    require(document["complete"], "all of it is there")
    entries = document["updates"]
    if ewc := entries.get("anchor-ewc"):
        fewest = entries["anchor-l2"]["cost"]["rows_read"]
        require(ewc["cost"]["rows_read"] > fewest, "old rows that weigh the weights are counted")
    for label in sorted(entries, key=lambda label: -entries[label]["metrics"]["score"]["mean"]):
        yield entry_row(label, entries[label])


def entry_row(label: str, entry: dict[str, Any]) -> str:
    """Return an entry's score, its difference from the reference with p, and what its updates kept, lost and read."""
    metrics, difference = entry["metrics"], entry["difference"]
    compared = ["", "", "reference"]
    if difference:
        chance = probability(difference["p_holm"]).removeprefix("p = ")
        compared = [gap(difference), chance, reading(difference)]
    return row(
        f"`{label}`",
        score(metrics["score"]),
        *compared,
        *(mean(metrics[name]) for name in ("old_score", "new_score", "negative_flips")),
        decimals(entry["cost"]["rows_read"], 0),
    )
