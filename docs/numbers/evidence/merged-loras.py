"""The numbers of docs/evidence/merged-loras.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    DASH,
    apart,
    declared,
    explored,
    gap,
    mean,
    megabytes,
    negated,
    number,
    range_of_p,
    read,
    require,
    row,
    signed,
    with_limits,
)

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the tables of tasks in fewer LoRAs, and what is said of them."""
    yield from merged_table(read("20news-10-merged"), read("20news-10-tuned"))
    yield from merging_table(read("merging-8"))


MERGED = {
    "isolated-lora": "isolated, ten LoRAs",
    "merged-5": "`keep: 5`",
    "merged-2": "`keep: 2`",
    "merged-1": "`keep: 1`, a running average",
    "merged-5-fewest": "`keep: 5`, `pair: fewest`",
    "merged-5-oldest": "`keep: 5`, `pair: oldest`",
    "merged-5-sum": "`keep: 5`, `scale: 2`",
    "merged-5-ties": "`keep: 5`, `merge: ties`, `scale: 2`",
    "merged-5-magmax": "`keep: 5`, `merge: magmax`, `scale: 2`",
}


def merged_table(document: dict[str, Any], tuned: dict[str, Any]) -> Iterator[str]:
    """Yield what K adapters for ten tasks reach, and what no adapter does."""
    asked, lost = declared(document), declared(document, "forgetting")
    for name, called in MERGED.items():
        metrics, cost = document["strategies"][name]["metrics"], document["strategies"][name]["cost"]
        forgot = metrics["forgetting"]
        against = gap(asked[name].seeds.as_json()) if name in asked else DASH
        yield row(
            called,
            megabytes(cost["stored_bytes"] / 1e6),
            with_limits(metrics["average_accuracy"]),
            against,
            mean(metrics["learning_accuracy"]),
            with_limits(forgot) if forgot["mean"] else mean(forgot),
            since_learned(metrics["backward_transfer"]),
        )
    below = {name: value for name, value in asked.items() if value.reading == "lower"}
    require(set(below) == {"merged-2", "merged-1"}, "K = 2 and K = 1 are below isolated LoRAs")
    more = {name for name, value in lost.items() if value.reading == "higher"}
    require(more == {"merged-2", "merged-1", "merged-5-fewest"}, "what forgets more")
    yield f"`keep: 2` and `keep: 1` end lower ({range_of_p(below.values())})"
    require(not apart(explored(document)), "none is told apart")
    ends = {
        name: strategy["metrics"]["average_accuracy"]["values"] for name, strategy in document["strategies"].items()
    }
    spreads = {name: max(values) - min(values) for name, values in ends.items()}
    added = {"merged-5-sum", "merged-5-ties", "merged-5-magmax"}
    require(all(0.095 < spreads[name] < 0.205 for name in added), "seeds that end 10 to 20 points apart")
    require(all(spreads[name] <= 0.04 for name in {*MERGED} - added), "those of averages lie within 4")
    frozen = tuned["strategies"]["sequential-head"]["metrics"]["average_accuracy"]
    yield f"heads alone, without any adapter, reach {with_limits(frozen)}"


def merging_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield what every rule for pairs and every composition loses, and what is said of them."""
    strategies = document["strategies"]
    require(document["complete"], "all rules, to the end")
    below = {name: strategies[name]["comparison"]["average_accuracy"] for name in strategies if name != "isolated"}
    average = {name: strategy["metrics"]["average_accuracy"]["mean"] for name, strategy in strategies.items()}
    for name in sorted(strategies, key=lambda name: -average[name]):
        forgot = strategies[name]["metrics"]["forgetting"]["mean"]
        yield row(
            called(name),
            megabytes(strategies[name]["cost"]["stored_bytes"] / 1e6),
            number(average[name]),
            f"{gap(below[name])} {MARKS[below[name]['reading']]}" if name in below else DASH,
            seeds_needed(below[name]) if name in below else DASH,
            number(forgot),
            since_learned(strategies[name]["metrics"]["backward_transfer"]),
        )
    lost = {name: negated(difference) for name, difference in below.items()}
    yield f"no adapter at all loses {without_sign(lost['no-adapter'])} points"
    yield f"the default (`average-linkage`, `svd`) loses {without_sign(lost['average-linkage'])}"
    yield f"`pair: fewest` {without_sign(lost['fewest'])}"
    decided = {name for name in below if below[name]["reading"] != UNDECIDED}
    require(decided == {"left-overlap", "oldest", "by-model-stock"}, "three are lower, nothing else is decided")
    chances = [below[name]["p_holm"] for name in decided]
    yield f"p from {min(chances):.4f} to {max(chances):.3f} after Holm"
    drops = {name for name in below if strategies[name]["comparison"]["forgetting"]["reading"] == "higher"}
    require(drops == {"by-breadcrumbs", "by-model-stock"}, "which forget more")
    for name, twin in (("sign-conflict", "cosine"), ("by-slerp", "by-nuslerp")):
        require(below[name]["values"] == below[twin]["values"], f"{name} is as {twin}")
    require(average["average-linkage"] - average["cosine"] == 0, "both rules end alike")
    few = [seeds for name in below if (seeds := (below[name]["to_decide"] or {}).get("seeds")) and seeds <= 14]
    yield f"{len(few)} of {len(below) - len(decided)} would be decided by {min(few)} to {max(few)} seeds"
    whole_bytes = {name for name in below if strategies[name]["cost"]["stored_bytes"] > 2.4e6}
    require(len(whole_bytes) == 9, "nine compositions store as much")


def seeds_needed(value: dict[str, Any]) -> str:
    """Return how many seeds would decide a difference; a dash where it is decided, more than 1,000 where none would."""
    needed = value["to_decide"]
    return DASH if needed is None else str(needed["seeds"] or "> 1,000")


def since_learned(value: dict[str, Any]) -> str:
    """Return what became of a task since it was learned, in points with a sign: ``−1.2``."""
    return signed(value) if value["mean"] else mean(value)


def called(name: str) -> str:
    """Return an entry of the recipe in the words of its settings."""
    if name.startswith("by-"):
        return f"`merge: {name.removeprefix('by-')}`"
    return {"isolated": "isolated, eight LoRAs", "no-adapter": "no adapter, heads alone"}.get(name, f"`pair: {name}`")


def without_sign(interval: dict[str, float]) -> str:
    """Return a loss with its limits: ``1.4 [0.5, 2.3]``."""
    return gap(interval).removeprefix("+")
