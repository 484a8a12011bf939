"""The numbers of docs/evidence/remedies.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    DASH,
    gap,
    mean,
    megabytes,
    number,
    read,
    require,
    row,
    signed,
    with_limits,
)

from adapter_workbench.experiments.reporting.differences import MARKS
from adapter_workbench.experiments.reporting.wording import probability

STATED = [
    "gained about 20 points",  # 2026-11-28: 18.9 to 23.0, against a control at the top of its grid
    "At a rate of 0.0079",
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
    steep = {round(point["learning_rate"], 4): point for point in document["frontier"]["sequential-lora"]}[0.0079]
    yield f"loses {100 * (steep['learning_accuracy']['mean'] - steep['average_accuracy']['mean']):.0f} points"
    ends = {name: strategy["metrics"]["average_accuracy"] for name, strategy in strategies.items()}
    better = {name for name in ends if ends[name]["mean"] > ends["sequential-head"]["mean"]}
    require(better == {"ranpac", "ranpac-adapted"}, "above every entry but the two `ranpac`")
    yield f"heads on frozen features ({mean(ends['sequential-head'])} %)"
    needed = sorted(value["to_decide"]["seeds"] for value in compared.values() if value["to_decide"])
    require(needed[3] <= 10 < needed[4], "ten seeds would decide four more")


def marked(value: dict[str, Any]) -> str:
    """Return a difference with its interval and the mark of what came out."""
    return f"{gap(value)} {MARKS[value['reading']]}"
