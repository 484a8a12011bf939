"""The numbers of seven ways to learn the tasks of the first look, in README and in docs/evidence/streams.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from measured import (
    DASH,
    above_better_rate,
    better_end,
    gap,
    joined,
    limits,
    mean,
    negated,
    number,
    pair,
    probability,
    reading,
    require,
    row,
    seconds,
    times_as_long,
    with_limits,
)

from adapter_workbench.experiments.reporting.differences import MARKS

SHOWN = {  # strategies of seven-ways in the table, and what they are called there
    "lora-isolated": "a LoRA for each task",
    "head-isolated": "the frozen model, a head for each task",
    "replay": "one model, replay of 128 examples",
    "ewc": "one model, EWC",
    "o-lora": "one model, O-LoRA",
    "full-sequential": "one model, full fine-tuning",
    "lora-sequential": "one model, one shared LoRA",
}
REMEDIES = ("replay", "ewc", "o-lora")
END = "average_accuracy"
ENTRIES = {  # as the page's table calls them
    "lora-isolated": "lora-isolated, a LoRA a task",
    "head-isolated": "head-isolated, frozen features",
    "full-sequential": "full-sequential, 2e-4",
    "lora-sequential": "lora-sequential, one shared LoRA",
    "o-lora": "o-lora",
    "replay": "replay, 128 examples",
    "ewc": "ewc",
}


def in_short(document: dict[str, Any]) -> Iterator[str]:
    """Yield what README says."""
    yield from what_it_finds(document)
    yield from privileges(document)


def section(document: dict[str, Any]) -> Iterator[str]:
    """Yield what the page on streams says."""
    frontier = document["frontier"][document["reference"]]
    chosen = next(point for point in frontier if point["chosen"])
    (other,) = (point for point in frontier if not point["chosen"])
    require(chosen["learning_rate"] == 2 * other["learning_rate"], "half of its rate")
    for name, strategy in document["strategies"].items():
        cost = seconds(strategy["cost"]["processor_seconds"])
        yield _row(ENTRIES[name], strategy["metrics"], strategy["comparison"], cost)
    yield _row("*frontier:* full-sequential, 1e-4", other)
    require(other["forgetting"]["mean"] < chosen["forgetting"]["mean"], "it forgets less")
    yield f"ends {number(other[END]['mean'] - chosen[END]['mean'])} points higher on these tests"
    compared = {name: of["comparison"] for name, of in document["strategies"].items() if of["comparison"]}
    higher = {name: of[END] for name, of in compared.items() if reading(of[END]) == "higher"}
    less = {name for name, of in compared.items() if reading(of["forgetting"]) == "lower"}
    require(list(higher) == ["lora-isolated", "replay"], "LoRAs and replay end higher")
    require({*compared} - less == {"lora-sequential"}, "all but the shared LoRA forget less")
    alone, replay = (probability(value["p_holm"]) for value in higher.values())
    yield f"A LoRA for each task ({alone}) and replay ({replay}) end higher than full fine-tuning."
    asked = document["reference"]
    others = [entry for entry in document["pairs"] if asked not in (entry["first"], entry["second"])]
    require(len(others) == 15, "the other 15 pairs")
    above = set()
    for entry in others:
        first, second = entry["first"], entry["second"]
        above |= {"higher": {(first, second)}, "lower": {(second, first)}}.get(reading(entry[END]), set())
    alone, heads, shared, orthogonal = "lora-isolated", "head-isolated", "lora-sequential", "o-lora"
    expected = {(alone, heads), (alone, shared), (alone, orthogonal), (heads, shared), (orthogonal, shared)}
    require(above == expected, "the five pairs that the page names")
    own = pair(document, shared, orthogonal)
    yield f"ends {gap(negated(own)).removeprefix('+')} points below `o-lora` ({probability(own['p_holm'])})"


def _row(title: str, metrics: Mapping[str, Any], compared: Mapping[str, Any] | None = None, cost: str = "") -> str:
    lost = metrics["forgetting"]
    forgot = with_limits(lost) if lost["mean"] else mean(lost)
    if compared:
        forgot += f" {MARKS[reading(compared['forgetting'])]}"
    against = f"{gap(compared[END])} {MARKS[reading(compared[END])]}" if compared else DASH * bool(cost)
    return row(title, with_limits(metrics[END]), mean(metrics["learning_accuracy"]), forgot, against, cost)


def what_it_finds(document: dict[str, Any]) -> Iterator[str]:
    """Yield README's table, and what is decided."""
    require(len(document["tasks"]) == 6 and len(document["seeds"]) == 5, "Six tasks, five seeds")
    for name, title in SHOWN.items():
        strategy = document["strategies"][name]
        metrics, forgotten = strategy["metrics"], strategy["metrics"]["forgetting"]
        yield row(
            title,
            mean(metrics["learning_accuracy"]),
            with_limits(metrics["average_accuracy"]),
            with_limits(forgotten) if forgotten["mean"] else mean(forgotten),
            as_asked(strategy["comparison"]["average_accuracy"]) if strategy["comparison"] else "–",
        )
    compared = {name: of["comparison"] for name, of in document["strategies"].items() if of["comparison"]}
    require(len(compared) == 6, "p is adjusted for the six differences")
    ends, lost = ({name: reading(of[metric]) for name, of in compared.items()} for metric in (END, "forgetting"))
    require([name for name in ends if ends[name] == "higher"] == ["lora-isolated", "replay"], "only these are higher")
    require({*ends.values()} == {"higher", "undecided"}, "nothing is lower")
    require(lost.pop("lora-sequential") == "higher" and {*lost.values()} == {"lower"}, "the shared LoRA forgets more")
    heads = [pair(document, "head-isolated", name) for name in REMEDIES]
    require({reading(value) for value in heads} == {"undecided"}, "no remedy is told apart from heads")
    isolated, replay, ewc, o_lora = (pair(document, "lora-isolated", of) for of in ("head-isolated", *REMEDIES))
    require(reading(isolated) == reading(o_lora) == "higher", "adapting pays, and the LoRAs are above O-LoRA")
    require(reading(replay) == reading(ewc) == "undecided", "and not shown to be above the other two")
    chances = [probability(value["p_holm"]) for value in (isolated, o_lora, replay, ewc)]
    yield f"the LoRAs end {mean(isolated)} {limits(isolated)} points above the control ({chances[0]})"
    yield (
        f"the LoRAs end {mean(o_lora)} points above O-LoRA ({chances[1]}); that they end above replay (by "
        f"{mean(replay)}, {chances[2]}) and EWC (by {mean(ewc)}, {chances[3]}) is undecided"
    )


def as_asked(value: dict[str, Any]) -> str:
    """Return a difference that a recipe asks for, with its interval and adjusted p."""
    return f"{gap(value)}, {probability(value['p_holm'])}"


def privileges(document: dict[str, Any]) -> Iterator[str]:
    """Yield what remedies are above full fine-tuning at the rate with which it ends higher, and what they may do."""
    alone, replay, ewc, o_lora = (above_better_rate(document, name, 2) for name in ("lora-isolated", *REMEDIES))
    yield f"At half of its rate full fine-tuning ends at {number(better_end(document, 2))}"
    yield f"a LoRA for each task is {number(alone)} points above that, replay {number(replay)}, EWC {number(ewc)}"
    yield f"O-LoRA is {number(-o_lora)} below"
    strategies = document["strategies"]
    choosing = {name for name in REMEDIES if isinstance(strategies[name]["settings"].get("strength"), list)}
    require(choosing == {"o-lora", "ewc"}, "O-LoRA and EWC choose their strength")
    times = joined(times_as_long(document, name, "processor_seconds") for name in REMEDIES)
    yield f"{times} times the processor time of full fine-tuning"
