"""The numbers of README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    declared,
    explored,
    gap,
    interval,
    joined,
    limits,
    margin,
    mean,
    number,
    p,
    pair,
    read,
    reading,
    require,
    row,
    score,
    whole,
    with_limits,
)

from experiments.reporting.differences import MARKS
from experiments.strategies import STRATEGIES
from experiments.studies.stream.plan.examination import ROWS
from fusion.methods import COMPOSITIONS
from workbench.methods.methods import METHODS

STATED = ["Most measurements are of one encoder with 22.7 M parameters."]
METRICS = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")
COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")
REFERENCE = "sequential-full"
SHOWN = {  # strategies of 20news-10 in the table, and what they are called there
    "isolated-lora": "a LoRA for each task",
    "sequential-head": "the frozen model, a head for each task",
    "o-lora": "one model, O-LoRA",
    "replay": "one model, replay of 200 examples",
    "ewc": "one model, EWC",
    REFERENCE: "one model, full fine-tuning",
    "sequential-lora": "one model, one shared LoRA",
}

PARTS = ("two-steps-written", "two-steps-unwritten", "form-and-skill")  # of each, two adapters have a part of the skill


def pieces() -> Iterator[str]:
    """Yield the numbers of the first look, of ten newsgroup tasks, and of the registries."""
    yield from first_look(read("quickstart"))
    yield from newsgroups(read("20news-10"))
    yield examined(read("examine-errors"))
    yield two_parts(*(read(name)["contestants"] for name in PARTS))
    yield (
        f"There are {len(METHODS.names())} methods, {len(STRATEGIES.names())} strategies and "
        f"{len(COMPOSITIONS.names())} compositions"
    )


def two_parts(*designs: dict[str, Any]) -> str:
    """Return what two adapters with a part of the skill each give as a start, and as a sum that nobody trains."""
    gains = (whole(contestants["pair-start"]["standings"]["16"]["gain"]["mean"]) for contestants in designs)
    sums = (whole(contestants["pair-sum"]["standings"]["16"]["score"]) for contestants in designs)
    begun = f"Training that began at their sum gained {joined(gains)} points over a fresh LoRA"
    return f"{begun}. Without training, the sum answered {joined(sums)} % right."


def examined(document: dict[str, Any]) -> str:
    """Return how often an examination with the default number of rows finds a loss of 5 points."""
    entry = next(entry for entry in document["detection"] if (entry["points"], entry["rows"]) == (5, ROWS))
    return f"{ROWS} rows a task find a loss of 5 points in {whole(entry['alone'])} % of cases"


def first_look(document: dict[str, Any]) -> Iterator[str]:
    """Yield what the recipe quickstart prints first."""
    yield document["verdict"]
    yield from document["evidence"][:3]
    for name, strategy in document["strategies"].items():
        yield f"{name} {' '.join(score(strategy['metrics'][metric]) for metric in METRICS)}"
        if compared := strategy["comparison"]:
            yield f"{name} {compared['against']} {' '.join(marked(compared[metric]) for metric in COMPARED)}"


def marked(value: dict[str, Any]) -> str:
    """Return ``+9.3 ±4.2 ▲``."""
    return f"{number(value['mean'], signed=True)} {margin(interval(value))} {MARKS[reading(value)]}"


def newsgroups(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of ten newsgroup tasks, and the sentence about all strategies there."""
    require(len(document["tasks"]) == 10 and len(document["seeds"]) == 5, "Ten tasks, five seeds")
    asked = declared(document)
    for name, title in SHOWN.items():
        strategy = document["strategies"][name]
        metrics, forgotten = strategy["metrics"], strategy["metrics"]["forgetting"]
        compared = strategy["comparison"] or {}
        yield row(
            title,
            mean(metrics["learning_accuracy"]),
            with_limits(metrics["average_accuracy"]),
            with_limits(forgotten) if forgotten["mean"] else mean(forgotten),
            f"{gap(compared['average_accuracy'])}, {p(asked[name])}" if compared else "–",
        )
    lora, head = "isolated-lora", "sequential-head"
    above = {name: pair(document, head, name) for name in ("o-lora", "replay", "ewc")}
    require(all(value["low"] > 0 for value in above.values()), "the head is above each remedy")
    frozen, chance = pair(document, lora, head), p(explored(document)[f"{lora} − {head}"])
    yield f"{mean(frozen)} {limits(frozen)} points below the LoRAs, which is undecided ({chance})"
    decided = [value.adjusted or 0 for value in asked.values() if value.reading == "higher"]
    rest = [name for name, value in asked.items() if value.reading != "higher"]
    require((len(decided), rest) == (8, ["sequential-lora"]), "eight of nine strategies differ")
    yield (
        f"Against sequential full fine-tuning, eight of nine strategies differ (Holm-adjusted p {min(decided):.3f} to "
        f"{max(decided):.3f}); the shared LoRA does not ({p(asked['sequential-lora'])})."
    )
