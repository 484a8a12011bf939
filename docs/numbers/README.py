"""The numbers of README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    count,
    distinguished,
    limits,
    mean,
    megabytes,
    number,
    pair,
    probability,
    read,
    require,
    score,
    seconds,
    share,
    with_limits,
)

from experiments.reporting.differences import MARKS
from experiments.strategies import STRATEGIES
from fusion.methods import COMPOSITIONS
from tasks import registry
from workbench.methods import METHODS

STATED = [
    # the same command on two other machines, kept in no file
    "On two other processors full fine-tuning forgot 6.4 points, 95 % interval [−3.2, 16.0] (without AMX, in fp32), "
    "and "
    "11.9, [−5.2, 28.9] (with AMX, in bf16)",
    "Isolated adapters scored within 0.2 points of the numbers above on both.",
]
METRICS = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")
COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")


def pieces() -> Iterator[str]:
    """Yield what the first command prints, and what is said of both streams."""
    quickstart = read("quickstart")
    yield quickstart["verdict"]
    for name, strategy in quickstart["strategies"].items():
        yield f"{name} {' '.join(score(strategy['metrics'][metric]) for metric in METRICS)}"
        if strategy["comparison"]:
            yield f"{name} {' '.join(difference(strategy['comparison'][metric]) for metric in COMPARED)}"
        yield f"{name} {' '.join(costs(strategy['cost']))}"
    yield from matrices(quickstart["strategies"])
    yield from adjusted(quickstart)
    yield from newsgroups(read("20news-10"))
    yield from counts()


def difference(compared: dict[str, Any]) -> str:
    """Return ``+7.5 ±7.4 ▲``."""
    return f"{score(compared, signed=True)} {MARKS[compared['reading']]}"


def costs(cost: dict[str, Any]) -> Iterator[str]:
    """Yield the cells of the table of costs."""
    yield seconds(cost["train_seconds"])
    yield share(cost["evaluate_seconds"] / (cost["evaluate_seconds"] + cost["train_seconds"]))
    yield megabytes(cost["peak_memory_mb"])
    yield count(cost["trainable_parameters"])
    yield megabytes(cost["stored_bytes"] / 1e6)


def matrices(strategies: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the accuracy matrices, two beside each other."""
    lora, pfeiffer, full = (strategies[name]["matrix"] for name in strategies)
    for stage in range(1, len(lora)):
        yield f"{matrix_line(stage, lora)} {matrix_line(stage, pfeiffer)}"
        yield matrix_line(stage, full)


def matrix_line(stage: int, matrix: list[list[float | None]]) -> str:
    """Return the stage and the scores after it."""
    return f"{stage} {' '.join(number(value) for value in matrix[stage])}"


def adjusted(document: dict[str, Any]) -> Iterator[str]:
    """Yield what the test of all pairs says."""
    require(not any(distinguished(document, metric) for metric in COMPARED), "none is distinguishable after Holm")
    average, forgot = (
        pair(document, "lora-isolated", "full-sequential", metric) for metric in ("average_accuracy", "forgetting")
    )
    yield (
        f"Adjusted for all {len(document['pairs'])} pairs of strategies, no difference is distinguishable with three "
        "seeds: "
        f"{probability(forgot['p_holm'])} for forgetting, {probability(average['p_holm'])} for the average."
    )


def newsgroups(document: dict[str, Any]) -> Iterator[str]:
    """Yield the sentence on ten tasks."""
    averages = {name: strategy["metrics"]["average_accuracy"] for name, strategy in document["strategies"].items()}
    lora, full, shared = (averages[name] for name in ("isolated-lora", "sequential-full", "sequential-lora"))
    yield (
        f"After the last task, over {len(document['seeds'])} seeds (2026-11-26), isolated LoRAs score {mean(lora)} % "
        f"{limits(lora)} on average, "
        f"a separate model for each task {mean(averages['individual-full'])}."
    )
    remedies = [averages[name]["mean"] for name in ("replay", "ewc", "o-lora")]
    require(all(round(100 * value) in (86, 87) for value in remedies), "Replay, EWC and O-LoRA score 86 to 87")
    yield (
        f"full fine-tuning of one model {with_limits(full)}, and one shared LoRA, at a rate that was not tuned for a "
        f"stream, {with_limits(shared)}."
    )
    apart = distinguished(document)
    require(not any("isolated-lora" in names for names in apart), "none of the pairs with isolated LoRAs")
    yield (
        f"Adjusted for all {len(document['pairs'])} pairs, average accuracy tells {len(apart)} apart, none of them "
        "with isolated LoRAs."
    )


def counts() -> Iterator[str]:
    """Yield how many entries there are in the registries."""
    yield f"the same stream is learned in up to {len(STRATEGIES.names())} ways"
    yield f"There are {len(COMPOSITIONS.names())} ways to compose"
    yield f"| methods | {len(METHODS.names())}, from"
    yield f"| compositions | {len(COMPOSITIONS.names())}, from"
    yield f"| tasks | {len(registry.names())} in the catalog"
