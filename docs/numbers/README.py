"""The numbers of README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    bounds,
    count,
    declared,
    limits,
    margin,
    mean,
    megabytes,
    number,
    p,
    range_of_p,
    read,
    require,
    score,
    seconds,
    share,
    with_limits,
)

from experiments.reporting.differences import MARKS, SAME, Difference
from experiments.reporting.power import power
from experiments.strategies import STRATEGIES
from fusion.methods import COMPOSITIONS
from tasks import registry
from workbench.methods import METHODS

STATED = [
    "the package adapters, which needs transformers 4.57, say that they are missing",
    # the same command on two other machines, kept in no file
    "On two other processors full fine-tuning forgot 6.4 points, 95 % interval [−3.2, 16.0] (without AMX, in fp32), "
    "and "
    "11.9, [−5.2, 28.9] (with AMX, in bf16)",
    "Isolated adapters scored within 0.2 points of the numbers above on both.",
]
METRICS = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")
COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")
WORDS = {"forgetting": "less", "learning_accuracy": "higher", "average_accuracy": "higher"}


def pieces() -> Iterator[str]:
    """Yield what the first command prints, and what is said of both streams."""
    quickstart = read("quickstart")
    yield from console(quickstart)
    for name, strategy in quickstart["strategies"].items():
        yield f"{name} {' '.join(score(strategy['metrics'][metric]) for metric in METRICS)}"
        yield f"{name} {' '.join(costs(strategy['cost']))}"
    yield from matrices(quickstart["strategies"])
    yield from newsgroups(read("20news-10"))
    yield from counts()


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


def console(document: dict[str, Any]) -> Iterator[str]:
    """Yield the verdict and the differences as this version writes them: the file is from before p was adjusted."""
    family = {metric: declared(document, metric) for metric in COMPARED}
    for label in family["forgetting"]:
        shown = (
            f"{number(difference.seeds.mean, signed=True)} {margin(difference.seeds)} {MARKS[difference.reading]}"
            for difference in (family[metric][label] for metric in COMPARED)
        )
        yield f"{label} {' '.join(shown)}"
    yield power(family["average_accuracy"], "average accuracy")
    metrics = {name: strategy["metrics"] for name, strategy in document["strategies"].items()}
    gaps = {metric: gap(family[metric]["lora-isolated"], words) for metric, words in WORDS.items()}
    learned, average = (
        [f"{mean(metrics[name][metric])} %" for name in ("lora-isolated", "full-sequential")]
        for metric in ("learning_accuracy", "average_accuracy")
    )
    yield (
        f"lora-isolated forgot exactly 0 points where full-sequential forgot "
        f"{mean(metrics['full-sequential']['forgetting'])} (4 tasks, 3 seeds): {gaps['forgetting']}. Right after each "
        f"task it scored {learned[0]} (learning accuracy) against {learned[1]}, {gaps['learning_accuracy']}; after the "
        f"last task it stands at {average[0]} on average against {average[1]}, {gaps['average_accuracy']}."
    )


def gap(value: Difference, words: str) -> str:
    """Return what the verdict says of a difference that is not told apart."""
    require(value.reading == SAME, SAME)
    amount = abs(value.seeds.mean or 0)
    sign = 1 if (value.seeds.mean or 0) > 0 else -1
    return (
        f"{SAME} ({number(amount)} points {words}, 95 % interval {bounds(value.seeds, sign)}, {p(value)} after Holm "
        f"for {value.family} strategies)"
    )


def newsgroups(document: dict[str, Any]) -> Iterator[str]:
    """Yield the sentence on ten tasks."""
    averages = {name: strategy["metrics"]["average_accuracy"] for name, strategy in document["strategies"].items()}
    points = read("20news-10-tuned")["frontier"]["sequential-lora"]
    slow = min(points, key=lambda point: point["learning_rate"])
    own = next(point for point in points if point["chosen"])
    require(round(own["learning_rate"] / slow["learning_rate"]) == 6, "a sixth of it")
    require(own["average_accuracy"] == averages["sequential-lora"], "the rate that single tasks pick is the table's")
    slow = slow["average_accuracy"]
    lora, full, shared = (averages[name] for name in ("isolated-lora", "sequential-full", "sequential-lora"))
    yield (
        f"After the last task, over {len(document['seeds'])} seeds (2026-11-26), isolated LoRAs score {mean(lora)} % "
        f"{limits(lora)} on average, "
        f"a separate model for each task {mean(averages['individual-full'])}."
    )
    remedies = [averages[name]["mean"] for name in ("replay", "ewc", "o-lora")]
    require(all(round(100 * value) in (86, 87) for value in remedies), "Replay, EWC and O-LoRA score 86 to 87")
    yield (
        f"full fine-tuning of one model {with_limits(full)}, and one shared LoRA {with_limits(shared)} at the rate "
        f"that single tasks pick, {with_limits(slow)} at a sixth of it."
    )
    asked = declared(document)
    above = [value for value in asked.values() if value.reading == "higher"]
    require(
        [name for name in asked if asked[name].reading != "higher"] == ["sequential-lora"], "all but sequential-lora"
    )
    yield (
        f"Adjusted for the nine comparisons with it, all others are told apart from sequential full fine-tuning "
        f"({range_of_p(above)}), except the shared LoRA ({p(asked['sequential-lora'])})."
    )


def counts() -> Iterator[str]:
    """Yield how many entries there are in the registries."""
    yield f"the same stream is learned in up to {len(STRATEGIES.names())} ways"
    yield f"There are {len(COMPOSITIONS.names())} ways to compose"
    yield f"| methods | {len(METHODS.names())}, from"
    yield f"| compositions | {len(COMPOSITIONS.names())}, from"
    yield f"| tasks | {len(registry.names())} in the catalog"
