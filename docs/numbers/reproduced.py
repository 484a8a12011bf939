"""The numbers of docs/reproduced.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, limits, number, pair, rate, read, require, row

NEWSGROUPS = {  # statement → two strategies of ours, and the published scores of the same two
    "a model a task − joint": ("individual-full", "joint", 96.49, 96.77),
    "an adapter a task − a model a task": ("isolated-pfeiffer", "individual-full", 96.20, 96.49),
    "frozen features under new heads − a model a task": ("sequential-head", "individual-full", 83.28, 96.49),
    "sequential full fine-tuning − a model a task": ("sequential-full", "individual-full", 52.50, 96.49),
    "EWC − sequential full fine-tuning": ("ewc", "sequential-full", 61.86, 52.50),
    "one shared adapter (here: LoRA) − sequential full": ("sequential-lora", "sequential-full", 68.29, 52.50),
}
FROZEN = "frozen features under new heads − a model a task"
HOULSBY = -0.4  # points from full fine-tuning, GLUE
FUSION = 77.33 - 76.05  # AdapterFusion − a single-task adapter, Table 1, 16 tasks
STATED = [
    "76.05 for a single-task adapter, 77.33 with AdapterFusion",
    "bottlenecks with 3.6 % of the parameters are within 0.4 points",
]


def pieces() -> Iterator[str]:
    """Yield the rows of both tables."""
    newsgroups = read("20news-10")
    for statement, (first, second, first_score, second_score) in NEWSGROUPS.items():
        yield compared(statement, first_score - second_score, pair(newsgroups, first, second))
    methods = read("compare-methods")["methods"]
    yield compared("Houlsby's adapters − full fine-tuning", HOULSBY, methods["houlsby"]["difference"])
    fusion = read("fuse-new-task")["contestants"]["adapterfusion"]["standings"]["all"]["gain"]
    frontier = read("20news-10-tuned")["frontier"]
    lora, full = (frontier[name] for name in ("sequential-lora", "sequential-full"))
    rates = [point["learning_rate"] for point in lora]
    least = number(full[1]["average_accuracy"]["mean"] - lora[0]["average_accuracy"]["mean"])
    yield f"picked on single tasks ({rate(rates[1])}); at a sixth of it the shared LoRA ends {least} points below"
    require(round(rates[1] / rates[0]) == 6, "a sixth")
    yield f"whose frozen features lose {number(-pair(newsgroups, *NEWSGROUPS[FROZEN][:2])['mean'])} |"
    yield compared("AdapterFusion − a fresh adapter (here: LoRA)", FUSION, fusion)


def compared(statement: str, published: float, ours: dict[str, Any]) -> str:
    """Return the row of one statement: the published difference, ours with its intervals, and the reading."""
    return row(
        statement,
        number(published / 100, signed=True),
        gap(ours),
        limits(ours["bootstrap"]) if ours.get("bootstrap") else "–",
        reading(published / 100, ours),
    )


def reading(published: float, ours: dict[str, Any]) -> str:
    """Return what ours says of the published difference."""
    examples = ours.get("bootstrap") or ours
    if ours["low"] <= published <= ours["high"]:
        return "agrees" if examples["low"] <= published <= examples["high"] else "open"
    if published * ours["mean"] < 0:
        return "**the other way**"
    return "smaller here" if abs(ours["mean"]) < abs(published) else "larger here"
