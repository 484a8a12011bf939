"""The numbers of README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    above_better_rate,
    better_end,
    decimals,
    declared,
    explored,
    gap,
    interval,
    joined,
    limits,
    margin,
    mean,
    more_processor_time,
    number,
    p,
    pair,
    read,
    reading,
    require,
    row,
    score,
    times_as_long,
    whole,
    with_limits,
)

from experiments.reporting.differences import MARKS
from experiments.strategies import STRATEGIES
from experiments.studies.stream.plan.examination import ROWS
from fusion.methods import COMPOSITIONS
from workbench.methods.methods import METHODS

STATED = ["Most measurements are of one encoder with 22.7 M parameters"]
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

MIXED = "pair-start, mixed data"
PARTS = ("two-steps-written", "two-steps-unwritten", "form-and-skill")  # of each, two adapters have a part of the skill


def pieces() -> Iterator[str]:
    """Yield the numbers of the first look, of ten newsgroup tasks, and of the registries."""
    yield from first_look(read("quickstart"))
    yield from newsgroups(read("20news-10"))
    yield from better_rate(read("20news-10"))
    yield examined(read("examine-errors"))
    yield served(read("adapter-tax")["load"])
    yield from two_parts(*(read(name)["contestants"] for name in PARTS))
    yield (
        f"There are {len(METHODS.names())} methods, {len(STRATEGIES.names())} strategies and "
        f"{len(COMPOSITIONS.names())} compositions"
    )


def two_parts(*designs: dict[str, Any]) -> Iterator[str]:
    """Yield what two adapters with a part of the skill each give as a start, beside two controls, and as a sum."""
    standings = [{name: of["standings"]["16"] for name, of in contestants.items()} for contestants in designs]
    gains = {name: [of[name]["gain"] for of in standings] for name in ("pair-start", MIXED, "full fine-tuning")}
    require(all(gain["reading"] == "undecided" for gain in gains[MIXED]), "not shown to be worse")
    begun, mixed, full = ([decimals(100 * gain["mean"], 0) for gain in of] for of in gains.values())
    yield f"Training that began at their sum gained {joined(begun)} points over a fresh LoRA, whose rate was not tuned."
    beside = f"({joined(map(plus, mixed))} points, undecided)"
    yield f"One LoRA of all their data is a start that is not shown to be worse {beside}."
    yield f"Full fine-tuning closes {joined(full)} of those points"
    yield f"Without training, the sum answered {joined(whole(of['pair-sum']['score']) for of in standings)} % right."


def plus(value: str) -> str:
    """Return a number with its sign."""
    return value if value.startswith("−") else f"+{value}"


def better_rate(document: dict[str, Any]) -> Iterator[str]:
    """Yield what strategies are above full fine-tuning at the rate with which it ends higher, and what they may do."""
    entries = {name: document["strategies"][name] for name in ("isolated-lora", "o-lora", "replay", "ewc")}
    above = {name: above_better_rate(document, name) for name in entries}
    alone, *remedies = above.values()
    yield f"At a quarter of its rate full fine-tuning ends at {number(better_end(document))}"
    yield f"a LoRA for each task is {number(alone)} points above"
    yield f"O-LoRA, replay and EWC {number(min(remedies))} to {number(max(remedies))}."
    choosing = [name for name, of in entries.items() if isinstance(of["settings"].get("strength"), list)]
    require(choosing == ["o-lora", "ewc"], "O-LoRA and EWC choose their strength")
    times = joined(times_as_long(document, name) for name in choosing)
    yield f"which full fine-tuning does not, and train {times} times as long"


def served(load: dict[str, Any]) -> str:
    """Return how much more processor time a text takes if its LoRA is one of many, however it is drawn."""
    more = more_processor_time(load, ("uniform-1024", "zipf-1024"))
    return f"A text takes {more} % more processor time if its LoRA is one of 1,024 than if there is only one."


def examined(document: dict[str, Any]) -> str:
    """Return how often an examination with the default number of rows finds a loss of 5 points, worst and best case."""
    entry = next(entry for entry in document["detection"] if (entry["points"], entry["rows"]) == (5, ROWS))
    return f"{ROWS} rows a task find a loss of 5 points in {whole(entry['least'])} to {whole(entry['most'])} % of examinations"


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
    rest = [(name, value.reading) for name, value in asked.items() if value.reading != "higher"]
    require((len(decided), rest) == (8, [("sequential-lora", "undecided")]), "eight of nine strategies are higher")
    yield (
        f"Against sequential full fine-tuning, eight of nine strategies are higher (Holm-adjusted p {min(decided):.3f} "
        f"to {max(decided):.3f}); the shared LoRA is undecided ({p(asked['sequential-lora'])})."
    )
