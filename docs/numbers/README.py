"""The numbers of README.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import (
    better_end,
    decimals,
    explored,
    interval,
    joined,
    margin,
    more_processor_time,
    number,
    read,
    reading,
    require,
    score,
    whole,
)
from measured_seven_ways import in_short

from adapter_workbench.experiments.reporting.differences import MARKS
from adapter_workbench.experiments.requests.examine import ROWS

STATED = ["Most measurements are of one encoder with 22.7 M parameters"]
METRICS = ("average_accuracy", "learning_accuracy", "forgetting", "backward_transfer", "intransigence")
COMPARED = ("average_accuracy", "learning_accuracy", "forgetting")
MIXED = "pair-start, mixed data"
PARTS = ("two-steps-written", "two-steps-unwritten", "form-and-skill")  # of each, two adapters have a part of the skill


def pieces() -> Iterator[str]:
    """Yield the numbers of the first look, of the same tasks in seven ways, of newsgroups, and more."""
    yield from first_look(read("quickstart"))
    yield from in_short(read("seven-ways"))
    yield newsgroups(read("20news-10"))
    yield examined(read("examine-errors"))
    yield served(read("adapter-tax")["load"])
    yield from two_parts(*(read(name)["contestants"] for name in PARTS))


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


def served(load: dict[str, Any]) -> str:
    """Return how much more processor time a text takes if its LoRA is one of many, however it is drawn."""
    more = more_processor_time(load, ("uniform-1024", "zipf-1024"))
    return f"A text takes {more} % more processor time if its LoRA is one of 1,024 than if there is only one."


def examined(document: dict[str, Any]) -> str:
    """Return how often an examination with the default number of rows finds a loss of 5 points, worst and best case."""
    entry = next(entry for entry in document["detection"] if (entry["points"], entry["rows"]) == (5, ROWS))
    found = f"{whole(entry['least'])} to {whole(entry['most'])} % of examinations"
    return f"{ROWS} rows a task find a loss of 5 points in {found}"


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


def newsgroups(document: dict[str, Any]) -> str:
    """Return where the same ways end on ten newsgroup tasks, where adapting is not shown to pay."""
    require(explored(document)["isolated-lora − sequential-head"].reading == "undecided", "undecided")
    names = ("isolated-lora", "sequential-head", "replay", "ewc", "o-lora", "sequential-full")
    ends = [document["strategies"][name]["metrics"]["average_accuracy"]["mean"] for name in names]
    alone, heads, *remedies, full = ends
    return (
        f"LoRAs end at {number(alone)} %, heads at {number(heads)} % (undecided), these remedies at "
        f"{number(min(remedies))} to {number(max(remedies))} %, full fine-tuning at {number(full)} %, and at a quarter "
        f"of its rate at {number(better_end(document))} %"
    )
