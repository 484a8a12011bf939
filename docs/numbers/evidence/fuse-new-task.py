"""The numbers of docs/evidence/fuse-new-task.md: compositions of an encoder whose features are enough."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import compared, joined, limits, mean_validation, number, over_examples, rate, read, reading, require, row

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED

STATED = ["beat a fresh adapter by 1.3 points, the gain that the AdapterFusion paper reports"]
SHOTS = ("16", "64", "256")
CONTROLS = ("full fine-tuning", "fresh pfeiffer", "fresh lora")
WITHOUT_SKILL = ("fresh lora", "warm-start", "warm-start, random sources", "warm-start, shuffled sources")


def pieces() -> Iterator[str]:
    """Yield the tables and the sentences about them."""
    contestants = read("fuse-new-task")["contestants"]
    for label, contestant in contestants.items():
        yield contestant_row(label, contestant)
    told = [label for label, of in contestants.items() if of["against"] and gain(of)["reading"] in ("higher", "lower")]
    require(not told, "No row differs from its control")
    yield from sentences(contestants)
    yield from with_controls()
    yield from rates(read("few-shot-rates"))


def gain(contestant: dict[str, Any]) -> dict[str, Any]:
    """Return a contestant's score − that of what it is compared with, over all K."""
    return dict(contestant["standings"]["all"]["gain"])


def sentences(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of the table."""
    overall = {label: of["standings"]["all"] for label, of in contestants.items() if of["role"] != "pick"}
    best = sorted(overall, key=lambda label: -overall[label]["score"])[: len(CONTROLS) + 1]
    require({*best} - {*CONTROLS} == {"warm-start"}, "of the four best, only warm-start has sources")
    scores = {label: number(value["score"]) for label, value in overall.items()}
    yield f"{joined([f'{label} ({scores[label]} %)' for label in best])}."
    untrained = [
        overall[label]["score"]
        for label in overall
        if contestants[label]["role"] in ("average", "composition") and not overall[label]["steps"]
    ]
    frozen = f"A head on frozen features scores {scores['frozen features']} %"
    yield f"{frozen}, the best composition whose weights are not trained {number(max(untrained))} %"
    yield f"is {number(-gain(contestants['sum'])['mean'])} points below the fresh LoRA in the mean"
    warm = gain(contestants["warm-start"])
    yield f"is {number(warm['mean'], signed=True)} {limits(warm)}; only some {warm['to_decide']['seeds']} seeds"


def with_controls() -> Iterator[str]:
    """Yield what is left of a start at sources where these know nothing, in a run of its own."""
    document = read("fuse-new-task-controls")
    contestants = document["contestants"]
    require(document["complete"], "has run")
    for label in WITHOUT_SKILL:
        against, standings = contestants[label]["against"], contestants[label]["standings"]
        scores = (number(standings[shots]["score"]) for shots in (*SHOTS, "all"))
        yield row(label, against or "", *scores, *compared({**standings["all"], "against": against}))
    undecided = all(reading(gain(contestants[label])) == UNDECIDED for label in WITHOUT_SKILL[1:])
    yield require(undecided, "None of the three differences is decided")


def rates(document: dict[str, Any]) -> Iterator[str]:
    """Yield the table of learning rates that were tried."""
    for contestant, chosen in document["chosen"].items():
        means = mean_validation(point for point in document["points"] if point["contestant"] == contestant)
        tried = ", ".join(f"{rate(value)}: {number(mean)}" for value, mean in means.items())
        yield row(contestant, tried, rate(chosen))


def contestant_row(label: str, contestant: dict[str, Any]) -> str:
    """Return the row of one contestant; the reference has no differences."""
    standings = contestant["standings"]
    overall = standings["all"]
    difference = overall["gain"]
    compared = () if label == "fresh lora" else (f"{over_examples(difference)} {MARKS[reading(difference)]}",)
    return row(
        label,
        contestant["against"] or "",
        *(number(standings[shots]["score"]) for shots in SHOTS),
        *(number(score) for score in overall["targets"].values()),
        number(overall["score"]),
        *((*compared, limits(difference)) if compared else ("", "")),
        f"{overall['seconds']:.1f} s",
    )
