"""The numbers of docs/remedies.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    DASH,
    explored,
    gap,
    joined,
    mean,
    megabytes,
    number,
    p,
    pair,
    read,
    require,
    row,
    signed,
    with_limits,
)

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED
from adapter_workbench.experiments.reporting.wording import probability

STATED = [
    "gained about 20 points",  # 2026-11-28: 18.9 to 23.0, against a control at the top of its grid
    "p is below 0.05 after Holm",  # the level of every report
    "with a probability of 0.8",  # of every forecast of seeds
]


def pieces() -> Iterator[str]:
    """Yield the table, the controls at each learning rate, and what is said of both."""
    document = read("remedies")
    strategies = document["strategies"]
    require(document["complete"], "all entries, to the end")
    require(all(strategy["tuning"]["enclosed"] for strategy in strategies.values()), "every grid encloses its pick")
    yield from table(strategies)
    yield from at_each_rate(document["frontier"])
    yield from sentences(document)


def table(strategies: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each entry; what it is compared with, and what came out, is as the file has it."""
    for name, strategy in strategies.items():
        metrics, compared = strategy["metrics"], strategy["comparison"]
        yield row(
            f"`{name}`",
            f"{strategy['tuning']['chosen']:.2g}",
            with_limits(metrics["average_accuracy"]),
            f"`{compared['against']}`" if compared else DASH,
            marked(compared["average_accuracy"]) if compared else DASH,
            mean(metrics["learning_accuracy"]),
            signed(metrics["backward_transfer"]) if metrics["backward_transfer"]["mean"] else "0.0",
            megabytes(strategy["cost"]["stored_bytes"] / 1e6),
        )


def at_each_rate(frontier: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a row for each learning rate of each control that is shown at all of them."""
    for name, points in frontier.items():
        for point in sorted(points, key=lambda point: point["learning_rate"]):
            yield row(
                f"`{name}`",
                f"{point['learning_rate']:.2g}{', picked' if point['chosen'] else ''}",
                number(point["single_task_validation"]),
                with_limits(point["learning_accuracy"]),
                with_limits(point["average_accuracy"]),
            )


def sentences(document: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of the tables."""
    strategies = document["strategies"]
    compared = {
        name: entry["comparison"]["average_accuracy"] for name, entry in strategies.items() if entry["comparison"]
    }
    decided = {name: value["reading"] for name, value in compared.items() if value["reading"] != "undecided"}
    require(
        decided == {"sd-lora": "equal", "n-lora": "equal", "ranpac": "equal", "progressive-prompts": "lower"},
        "four are decided",
    )
    yield f"{len(decided)} of {len(compared)} comparisons are decided"
    lower = compared["progressive-prompts"]
    yield f"{gap(lower)} points, {probability(lower['p_holm'])} after Holm"
    points = {round(point["learning_rate"], 4): point for point in document["frontier"]["sequential-lora"]}
    steep, picked = points[0.0079]["average_accuracy"], points[0.0025]["average_accuracy"]
    yield f"ends at {with_limits(steep)} % at a rate of 0.0079"
    yield f"{with_limits(picked)} % at 0.0025"
    lost = steep["mean"] - points[0.0079]["learning_accuracy"]["mean"]
    yield f"loses {-100 * lost:.0f} points"
    yield f"between {number(min(steep['values']))} and {number(max(steep['values']))} %"
    stacked = {round(point["learning_rate"], 4): point for point in document["frontier"]["stacked"]}
    yield f"{mean(stacked[0.0025]['average_accuracy'])} to {mean(stacked[0.0079]['average_accuracy'])} %"
    best = max(strategies, key=lambda name: strategies[name]["metrics"]["average_accuracy"]["mean"])
    require(best == "ranpac-adapted", "the highest mean")
    heads = strategies["sequential-head"]["metrics"]["average_accuracy"]
    yield f"frozen features ({mean(heads)} %, {megabytes(strategies['sequential-head']['cost']['stored_bytes'] / 1e6)})"
    yield f"{gap(compared['sequential-head'])} points above"
    yield f"`ranpac-adapted`, {gap(compared['ranpac-adapted'])} points"
    hardest = [value["to_decide"]["seeds"] for name, value in compared.items() if name in ("osf", "a-gem")]
    require(min(hardest) > 100, "more than a hundred")
    needed = {name: value["to_decide"]["seeds"] for name, value in compared.items() if value["to_decide"]}
    few = sorted((seeds, name) for name, seeds in needed.items())[:4]
    yield ", ".join(f"`{name}` {seeds}" for seeds, name in few)
    lora, full = (gap(pair(document, "sequential-head", other)) for other in ("isolated-lora", "sequential-full"))
    yield f"frozen features are {lora} points above isolated LoRAs and {full} points above full fine-tuning"
    others = explored(document)
    pairs = [others[name] for name in ("isolated-lora − sequential-head", "sequential-head − sequential-full")]
    require(all(of.reading == UNDECIDED for of in pairs), "both are undecided")
    yield f"({joined(p(of) for of in pairs)})"


def marked(value: dict[str, Any]) -> str:
    """Return a difference with its interval and the mark of what came out."""
    return f"{gap(value)} {MARKS[value['reading']]}"
