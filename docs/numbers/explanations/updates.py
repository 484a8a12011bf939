"""The numbers of docs/updates.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import decimals, gap, mean, probability, read, reading, require, row, score

from adapter_workbench.experiments.updates.plan import DEFAULT_WAY, WITHOUT_OLD_ROWS

STATED: list[str] = []
MEASURED = ("growing", "growing-new-rows", "drifting", "drifting-new-rows", "growing-smollm2", "growing-smollm2-longer")


def pieces() -> Iterator[str]:
    """Yield the tables of what each experiment came to, a row for each entry, the best first."""
    for name in MEASURED:
        document = read(name)
        require(document["complete"], "all of it is there")
        entries = document["updates"]
        if ewc := entries.get("anchor-ewc"):
            fewest = entries["anchor-l2"]["cost"]["rows_read"]
            require(ewc["cost"]["rows_read"] > fewest, "old rows that weigh the weights are counted")
        for label in sorted(entries, key=lambda label: -entries[label]["metrics"]["score"]["mean"]):
            yield entry_row(label, entries[label])
    gains = [100 * gain for gain in read("growing-smollm2")["updates"]["continue-all"]["difference"]["values"]]
    yield f"was {sum(gains[:3]) / 3:.1f} points above `anew`"
    yield f"the two that were added since, {gains[3]:.1f} and {gains[4]:.1f} points"
    yield f"takes the simplest way that no other way is shown to beat: `{DEFAULT_WAY}`"
    yield f"with `--forget-rows` `{WITHOUT_OLD_ROWS}`"


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
