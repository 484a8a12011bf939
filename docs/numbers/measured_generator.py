"""The numbers of docs/explanations/composing.md that are of a language model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import compared, decimals, gap, limits, number, probability, read, reading, require, row

from adapter_workbench.experiments.reporting.differences import UNDECIDED
from adapter_workbench.experiments.reporting.wording import bounds
from adapter_workbench.workbench.measures.statistics import Interval
from adapter_workbench.workbench.measures.statistics import interval as over_seeds

STATED = [
    "At 5e-4 the fresh LoRA answers",
    # a run of an earlier version, whose file is in the history
    "`warm-start` answered 49.0 % before, and training from the average of all four 40.1 %",
]
K = "16"
SOURCES = ("word-reversal", "number-filtering", "needle-haystack", "syllogism")
RELATED = "reasoning-gym-needle-haystack alone, lora"
OTHER_RATES = ("fresh-0.0005", "fresh-0.005")
OF_ALL = ("lorahub", "warm-start-average", "ties", "average, lora", "sum")


def pieces() -> Iterator[str]:
    """Yield the table, and the sentences of what is compared."""
    document = read("fuse-reasoning")
    contestants = contestants_of(document)
    results = [name for name, contestant in document["contestants"].items() if contestant["role"] != "pick"]
    yield f"all {len(results) * len(document['seeds'])} results."
    for name, contestant in contestants.items():
        yield contestant_row(name, contestant)
    yield from related(contestants)
    yield from started(document, contestants)
    yield from without_skill(contestants)
    yield from composed(document, contestants)
    yield rates(contestants)


def contestants_of(document: dict[str, Any], shots: str = K) -> dict[str, dict[str, Any]]:
    """Return each contestant's standing with so many examples, and what it is compared with."""
    return {
        name: {**contestant["standings"][shots], "against": contestant["against"]}
        for name, contestant in document["contestants"].items()
    }


def contestant_row(name: str, contestant: dict[str, Any]) -> str:
    """Return a contestant's row: what it is compared with lacks only what is claimed to help."""
    return row(name, contestant["against"] or "", number(contestant["score"]), *compared(contestant))


def related(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what the source that has the skill answers before anything is trained."""
    source, fresh = contestants[RELATED], contestants["fresh lora"]
    require(source["gain"]["reading"] == "higher", "is decided: higher")
    require(not source["steps"], "without any training")
    require(contestants["best source"]["gain"]["values"] == source["gain"]["values"], "Validation picked it each time")
    answers = f"answers {number(source['score'])} %** of the problems"
    yield f"{answers}; a fresh LoRA after 16 examples {number(fresh['score'])} %."
    yield f"{gap(source['gain'])}, is decided: higher ({probability(source['gain']['p_holm'])})."


def started(document: dict[str, Any], contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what it is worth as a beginning."""
    warm, picked = contestants["warm-start"], document["best_composition_minus_best_control"]
    require(reading(warm["gain"]) == UNDECIDED, "leave this undecided")
    require(picked["reading"] == "higher", "is decided")
    require(contestants["best composition"]["score"] == warm["score"], "it is warm-start that validation picks")
    gains = [contestant["gain"] for contestant in contestants.values()]
    tests = len({(gain["p"], *gain["values"]) for gain in gains if gain["p_holm"] is not None})  # equal ones count once
    yield f"answers {number(warm['score'])} %**, {gap(warm['gain'])} beside the fresh LoRA."
    yield f"a correction for {tests} differences leave this undecided ({probability(warm['gain']['p_holm'])});"
    decide = warm["gain"]["to_decide"]
    yield f"{decide['seeds']} seeds would probably decide, in {60 * decide['hours']:.0f} minutes more."
    yield f"answers {gap(picked)} beside the model without sources that it picks."
    more = beside(contestants, "warm-start", RELATED)
    require(more.holds_zero is True, "undecided")
    added = f"Training adds {number(more.mean, signed=True)} points to the source alone"
    yield f"{added}, {bounds(more)} over seeds: undecided."


def without_skill(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what is left of the start where its sources have their form alone."""
    drawn, shuffled = (contestants[f"warm-start, {kind} sources"] for kind in ("random", "shuffled"))
    require(all(reading(row["gain"]) == UNDECIDED for row in (drawn, shuffled)), "undecided after Holm")
    yield f"at random LoRAs of the same norms it answers {number(drawn['score'])} %"
    yield f"trained on shuffled answers {number(shuffled['score'])} %"
    worth = [f"{number(-row['gain']['mean'], signed=True)} {limits(row['gain'], -1)}" for row in (drawn, shuffled)]
    yield f"The skill is worth {worth[0]} and {worth[1]} points"


def composed(document: dict[str, Any], contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what becomes of the source among others."""
    source, searched = contestants[RELATED]["score"], contestants["lorahub"]["gain"]
    require(
        all(contestants[name]["score"] <= source for name in OF_ALL),
        "no composition of all four is above that one source",
    )
    require(searched["reading"] == "higher", "is decided too")
    yield f"`lorahub` is decided too, {gap(searched)} beside the fresh LoRA ({probability(searched['p_holm'])});"
    weights = document["details"]["lorahub"]["weights"]
    text = ", ".join(f"{decimals(weight, 2)} {name}" for name, weight in zip(SOURCES, weights, strict=True))
    yield f"finds {text} in the mean over seeds."
    unrelated = [
        contestant["score"]
        for name, contestant in contestants.items()
        if name.endswith("alone, lora") and name != RELATED
    ]
    yield f"Unrelated sources answer at most {number(max(unrelated))} %."


def rates(contestants: dict[str, Any]) -> str:
    """Return how the control does at other learning rates."""
    slow, fast = (number(contestants[name]["score"]) for name in OTHER_RATES)
    usual = contestants["fresh lora"]["score"]
    best = max(usual, *(contestants[name]["score"] for name in OTHER_RATES))
    require(best < contestants[RELATED]["score"], "None of them reaches the source alone")
    return f"At 5e-4 the fresh LoRA answers {slow} %, at 0.005 {fast} %, at the recipe's 0.002 {number(usual)} %."


def beside(contestants: dict[str, Any], first: str, second: str) -> Interval:
    """Return ``first`` − ``second``, with its interval over seeds."""
    values = zip(contestants[first]["gain"]["values"], contestants[second]["gain"]["values"], strict=True)
    return over_seeds([value - other for value, other in values])
