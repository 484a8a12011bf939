"""The numbers of docs/evidence/reproduced.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import stdev
from typing import Any

from measured import gap, limits, number, pair, rate, read, require, row
from scipy.special import stdtrit

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
MARGIN = 0.02  # a gap that does not matter, as a share
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
    yield compared("AdapterFusion − a fresh adapter (Pfeiffer)", FUSION, fusion)


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
    """Return what ours says of the published difference.

    It agrees where the gap of the two is shown to be within the margin, by two one-sided tests at 0.05 over seeds and
    with the interval over test examples. That an interval holds the published number is no such test: it holds it all
    the more the fewer seeds there are.
    """
    if agrees(published, ours):
        return "agrees"
    if ours["low"] <= published <= ours["high"]:
        return "open"
    if published * ours["mean"] < 0:
        return "**the other way**"
    return "smaller here" if abs(ours["mean"]) < abs(published) else "larger here"


def agrees(published: float, ours: dict[str, Any]) -> bool:
    """Return whether ours − the published difference lies within :data:`MARGIN`."""
    values = ours["values"]
    if len(values) < 2:
        return False
    half = float(stdtrit(len(values) - 1, 0.95)) * stdev(values) / math.sqrt(len(values))
    examples = ours.get("bootstrap") or ours
    bounds = (ours["mean"] - half, ours["mean"] + half, examples["low"], examples["high"])
    return all(abs(bound - published) < MARGIN for bound in bounds)
