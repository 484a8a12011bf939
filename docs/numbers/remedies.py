"""The numbers of docs/remedies.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    DASH,
    Difference,
    difference,
    gap,
    in_family,
    mean,
    megabytes,
    number,
    p,
    pair,
    range_of_p,
    read,
    require,
    row,
    signed,
    with_limits,
)

from experiments.reporting.differences import UNDECIDED

STATED = ["paired t-test is below 0.05"]
CONTROLS = {  # remedy → the entry that lacks the remedy alone
    "mask": "sequential-lora",
    "inflora": "sequential-lora",
    "sd-lora": "sequential-lora",
    "n-lora": "sequential-lora",
    "tree-lora": "sequential-lora",
    "seq-star": "sequential-lora",
    "ranpac-adapted": "sequential-lora",
    "ranpac": "sequential-head",
    "osf": "sequential-full",
    "a-gem": "sequential-full",
    "l2p": "sequential-prompt",
    "progressive-prompts": "sequential-prompt",
}
SIGNS = {"higher": "▲", "lower": "▼"}


def pieces() -> Iterator[str]:
    """Yield the table, and what is said of it."""
    document = read("remedies")
    require(document["complete"] and set(CONTROLS) <= set(document["strategies"]), "all entries, to the end")
    beside = in_family({name: between(document, name, control) for name, control in CONTROLS.items()})
    yield from table(document, beside)
    yield from sentences(document, beside)


def table(document: dict[str, Any], beside: dict[str, Difference]) -> Iterator[str]:
    """Yield a row for each entry."""
    for name, strategy in document["strategies"].items():
        metrics = strategy["metrics"]
        yield row(
            f"`{name}`",
            strategy["method"],
            chosen_rate(strategy),
            with_limits(metrics["average_accuracy"]),
            apart(beside[name]) if name in beside else DASH,
            mean(metrics["learning_accuracy"]),
            signed(metrics["backward_transfer"]) if metrics["backward_transfer"]["mean"] else "0.0",
            megabytes(strategy["cost"]["stored_bytes"] / 1e6),
        )


def sentences(document: dict[str, Any], beside: dict[str, Difference]) -> Iterator[str]:
    """Yield what is said of the table."""
    shared = {name: value for name, value in beside.items() if CONTROLS[name] == "sequential-lora"}
    gains = {name: value for name, value in shared.items() if name != "tree-lora"}
    means = sorted(value.seeds.mean or 0.0 for value in gains.values())
    yield f"end {number(means[0])} to {number(means[-1])} points above it"
    require(
        all(value.by_test == {"seeds": UNDECIDED, "examples": "higher"} for value in gains.values()),
        "alike",
    )
    yield f"`tree-lora` does not: {gap(shared['tree-lora'].seeds.as_json())}"
    chances = sorted(value.p for value in gains.values() if value.p is not None)
    yield f"p from {chances[0]:.3f} to {chances[-1]:.3f}, after Holm {range_of_p(gains.values())[2:]}"
    metrics = {name: strategy["metrics"] for name, strategy in document["strategies"].items()}
    control = metrics["sequential-lora"]["average_accuracy"]["values"]
    yield f"its five seeds end between {number(min(control))} and {number(max(control))} %"
    best = max(metrics, key=lambda name: metrics[name]["average_accuracy"]["mean"])
    require(best == "sequential-head", "no entry is above heads on frozen features")
    yield f"({mean(metrics[best]['average_accuracy'])} %)"
    lower = [name for name, value in beside.items() if value.reading == "lower"]
    require(lower == ["l2p"] and not any(value.reading == "higher" for value in beside.values()), "one is told apart")
    yield f"{gap(beside['l2p'].seeds.as_json())}, {p(beside['l2p'])} after Holm"
    trained = between(document, "sequential-head", "sequential-full")
    yield f"{gap(trained.seeds.as_json())} points above full fine-tuning"


def between(document: dict[str, Any], first: str, second: str) -> Difference:
    """Return ``first`` − ``second`` in average accuracy, however the pair stands in the file."""
    if second == document["reference"]:
        return difference(document["strategies"][first]["comparison"]["average_accuracy"])
    return difference(pair(document, first, second))


def apart(value: Difference) -> str:
    """Return a difference with its interval over seeds, and a sign where it is told apart."""
    return f"{gap(value.seeds.as_json())} {SIGNS.get(value.reading, '=')}"


def chosen_rate(strategy: dict[str, Any]) -> str:
    """Return the learning rate that validation picked; a dash where nothing is trained."""
    tuning = strategy["tuning"]
    return f"{tuning['chosen']:.2g}" if tuning else DASH
