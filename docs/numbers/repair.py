"""The numbers of docs/repair.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import DASH, gap, mean, number, probability, read, require, row, whole, with_limits

STATED = [  # a formula's ends, and a setting
    "With 100 %, all that was learned is still there. With 0 %, the answers are as good as",
    "learned at 0.005",
]
ENTRY = "sequential-lora"


def pieces() -> Iterator[str]:
    """Yield the table of what repairs brought back, and what is said of it."""
    entry = read("repair")["strategies"][ENTRY]
    nothing, repairs = entry["nothing"]["metrics"], entry["repairs"]
    yield repaired("nothing", nothing, None)
    for name, repair in repairs.items():
        yield repaired(name, repair["metrics"], repair["gain"])
        require(repair["gain"]["reading"] == "higher", "all four are higher")
    best = repairs[entry["best"]]
    before, after = (mean(metrics["average_accuracy"]) for metrics in (nothing, best["metrics"]))
    lost, kept = (whole(metrics["retention"]["mean"]) for metrics in (nothing, best["metrics"]))
    yield f"`{entry['best']}` validates best: {before} → {after}, and {kept} instead of {lost} % of what was learned"
    refit = repairs["refit-head"]["metrics"]["average_accuracy"]["mean"]
    require(best["metrics"]["average_accuracy"]["mean"] > refit, "more than new heads find")
    tuned = read("20news-10-tuned")["strategies"]
    isolated, heads = (tuned[name]["metrics"]["average_accuracy"] for name in ("isolated-lora", "sequential-head"))
    yield f"it ends at {mean(nothing['average_accuracy'])} where a LoRA for each task has {mean(isolated)} ("
    yield f"Heads on the frozen backbone score {mean(heads)} on this stream"
    shares = [chosen["share"] for chosen in best["chosen"]]
    yield f"(α from {min(shares)} to {max(shares)}, by seed)"
    yield f"The seed that collapsed most ({number(min(nothing['average_accuracy']['values']))})"


def repaired(name: str, metrics: dict[str, Any], gain: dict[str, Any] | None) -> str:
    """Return the row of one repair."""
    return row(
        f"`{name}`" if gain else name,
        with_limits(metrics["average_accuracy"]),
        mean(metrics["earlier_accuracy"]),
        mean(metrics["last_accuracy"]),
        f"{whole(metrics['retention']['mean'])} %",
        gap(gain) if gain else DASH,
        probability(gain["p_holm"]) if gain else DASH,
    )
