"""The numbers of docs/explanations/composing.md that are of design (a): where a language model's LoRA should begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, limits, number, probability, read, reading, require
from measured_generator import contestant_row, contestants_of

from adapter_workbench.experiments.reporting.differences import UNDECIDED
from adapter_workbench.experiments.reporting.wording import bounds
from adapter_workbench.workbench.measures.statistics import interval as over_seeds

K = "64"
CONTROLS = ("nearest, random sources", "unrelated", "nearest, shuffled sources")
COMPOSED = ("fused", "meta")
BETTER = ("nearest, mixed data", "full fine-tuning")


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    document = read("begin-ahead")
    contestants = contestants_of(document, K)
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    gains: dict[str, Any] = {name: contestant["gain"] for name, contestant in contestants.items()}
    yield f"At the source that validates best it answers {scores['nearest']} %, a fresh one {scores['fresh lora']} %"
    yield f"{gap(gains['nearest'])}, {probability(gains['nearest']['p_holm'])}"
    for name in (*CONTROLS, *COMPOSED):
        yield f"{scores[name]} % ({gap(gains[name])} beside `nearest`, {probability(gains[name]['p_holm'])})"
    for name in CONTROLS:
        yield beside_fresh(gains, name)
    require([reading(gains[name]) for name in CONTROLS] == ["lower", "lower", UNDECIDED], "one of three is undecided")
    yield f"{scores['nearest, mixed data']} %, {gap(gains['nearest, mixed data'])} beside `nearest`"
    for what in ("control", "mixed_data"):
        difference = document[f"best_composition_minus_best_{what}"]
        require(difference["reading"] == "lower", "is below both, decided")
        yield f"{number(difference['mean'], signed=True)} {limits(difference)}"
    best = contestants["best composition"]["score"]
    require(all(contestants[name]["score"] > best for name in BETTER), "is below both")
    yield f"picks answers {number(best)} %, full fine-tuning on the same 64 examples {scores['full fine-tuning']} %"
    starts = (
        ("fresh lora", "from what the seed draws"),
        ("nearest", "at the best source"),
        ("fused", "at the average of six"),
        ("nearest, mixed data", "at one adapter of all their data"),
    )
    yield ", ".join(f"{scores[name]} % {where}" for name, where in starts)
    full, others = scores["full fine-tuning"], ("nearest", "fused", "meta", "unrelated", "average, lora")
    require(all(contestants[name]["score"] < contestants["full fine-tuning"]["score"] for name in others), "more than")
    yield f"Full fine-tuning on the 64 examples answers {full} %"
    untrained = [contestants[name]["score"] for name in contestants if "alone" in name or name == "average, lora"]
    require(not any(untrained), "Without training nothing answers anything")


def beside_fresh(gains: dict[str, Any], name: str) -> str:
    """Return a control minus the fresh LoRA, whose own control is `nearest`, with the interval over seeds."""
    values = zip(gains[name]["values"], gains["nearest"]["values"], strict=True)
    difference = over_seeds([control + nearest for control, nearest in values])
    return f"{number(difference.mean, signed=True)} {bounds(difference)} beside the fresh one"
