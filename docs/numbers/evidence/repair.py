"""The numbers of docs/evidence/repair.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import DASH, gap, limits, mean, number, probability, read, require, row, whole, with_limits

from adapter_workbench.experiments.reporting.differences import UNDECIDED

STATED = ["learned at 0.005"]  # a setting
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
    tuned = read("20news-10-tuned")["strategies"]
    isolated = tuned["isolated-lora"]["metrics"]["average_accuracy"]
    yield f"ends at {mean(nothing['average_accuracy'])} where a LoRA for each task has {mean(isolated)}."
    shares = [chosen["share"] for chosen in best["chosen"]]
    yield f"(α from {min(shares)} to {max(shares)}, by seed)"
    yield f"The seed that collapsed most ({number(min(nothing['average_accuracy']['values']))})"
    yield from controlled(entry)


def controlled(entry: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the controls, and how the repairs do beside them."""
    used = {"head-on-frozen": "the other three", "head-on-frozen-128": "`refit-head`"}
    for name, whose in used.items():
        control = entry["controls"][name]
        metrics, rows = control["metrics"], f"{control['rows_a_task'][0]:.0f} rows a task"
        yield row(
            f"`head-on-frozen`, {rows}: the control of {whose}",
            with_limits(metrics["average_accuracy"]),
            mean(metrics["earlier_accuracy"]),
            mean(metrics["last_accuracy"]),
            f"{whole(metrics['retention']['mean'])} %",
            DASH,
            DASH,
        )
    beside = {name: repair["minus_control"] for name, repair in entry["repairs"].items()}
    require(all(value["reading"] == UNDECIDED for value in beside.values()), "over seeds")
    require(all(max(value["values"]) < 0 for value in beside.values()), "every repair has less, with every seed")
    best = beside[entry["best"]]
    yield f"has {number(-best['mean'])} points less than it, and less with each of the five seeds"
    yield f"({number(-max(best['values']))} to {number(-min(best['values']))})"
    yield f"(95 % interval {limits(best)}, {probability(best['p_holm'])}, Holm, four repairs)"
    yield f"{best['to_decide']['seeds']} seeds would probably decide it"


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
