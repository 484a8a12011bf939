"""The numbers of docs/explanations/composing.md that are of design (d): groups that no source has seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, number, probability, read, reading, require, row
from measured_generator import contestant_row, contestants_of

from adapter_workbench.experiments.reporting.differences import UNDECIDED

STATED = ["is at least 3 points above a fresh LoRA"]
SHOTS = ("16", "64")
SENSITIVE = 0.03  # above the fresh LoRA, registered before the design ran
STRONG, STRONG_PFEIFFER = "same-group-fourteen alone, lora", "same-group-fourteen alone, pfeiffer"
WEAK = "same-sentiment-movies alone, lora"
NOT_DECIDED = ("warm-start", "warm-start-average", "scalearn", "adapterfusion", STRONG)
UNTAUGHT = ("frozen features", "fresh lora", "fresh pfeiffer", "full fine-tuning")


def pieces() -> Iterator[str]:
    """Yield the tables of the design, and the sentences about it."""
    document = read("same-group")
    yield from _sensitivity(document)
    contestants = contestants_of(document, "all")
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    gains = {name: contestant["gain"] for name, contestant in contestants.items()}
    require(all(reading(gains[name]) == UNDECIDED for name in NOT_DECIDED), "undecided")
    yield from _sources(scores, gains)
    yield from _composed(scores, gains, contestants)
    yield _picked(document["contestants"])
    fresh = sorted(contestants[name]["score"] for name in UNTAUGHT)
    yield f"as frozen features are: {number(fresh[0])} to {number(fresh[-1])} %"
    yield from _scales(contestants_of(read("same-group-scales"), "all"))


def _sensitivity(document: dict[str, Any]) -> Iterator[str]:
    """Yield what a start at the source, and the source itself, have above a fresh LoRA, for each K."""
    for shots in SHOTS:
        scores = {name: standing["score"] for name, standing in contestants_of(document, shots).items()}
        fresh = scores["fresh lora"]
        above = [scores[name] - fresh for name in ("warm-start", STRONG)]
        require(max(above) >= SENSITIVE, "It is at both")
        yield row(shots, number(fresh), *(number(points, signed=True) for points in above))


def _sources(scores: dict[str, str], gains: dict[str, Any]) -> Iterator[str]:
    pfeiffer, best = gains[STRONG_PFEIFFER], gains["best source"]
    require(pfeiffer["reading"] == best["reading"] == "higher", "decided")
    yield f"alone under a fitted head, scores {scores[STRONG_PFEIFFER]} %, a fresh one {scores['fresh pfeiffer']} %"
    yield f"{gap(pfeiffer)}, {probability(pfeiffer['p_holm'])}"
    yield f"among all single sources is {gap(best)} beside the fresh LoRA, {probability(best['p_holm'])}"
    yield f"the LoRA of the same source is {gap(gains[STRONG])} beside it"


def _composed(scores: dict[str, str], gains: dict[str, Any], contestants: dict[str, Any]) -> Iterator[str]:
    warm, fusion = gains["warm-start"], gains["adapterfusion"]
    tests = sum(gain["p_holm"] is not None for gain in gains.values())
    yield f"training scores {scores['warm-start']} %, a fresh LoRA {scores['fresh lora']} %"
    yield f"{gap(warm)}, {probability(warm['p_holm'])} after Holm over {tests} comparisons"
    drawn, shuffled = (scores[f"warm-start, {kind} sources"] for kind in ("random", "shuffled"))
    yield f"begun at random LoRAs {drawn} %, and at sources trained on shuffled answers {shuffled} %"
    average, scales = (gap(gains[name]) for name in ("warm-start-average", "scalearn"))
    yield f"the average of both as a start is {average} beside it, learned scales of both (`scalearn`) {scales}"
    yield f"AdapterFusion scores {scores['adapterfusion']} %: {gap(fusion)} beside the fresh Pfeiffer adapter"
    yield f"{probability(fusion['p_holm'])} after Holm and {probability(fusion['p'])} before"
    yield f"{fusion['to_decide']['seeds']} seeds would probably decide"
    require(contestants["adapterfusion"]["score"] < contestants[STRONG_PFEIFFER]["score"], "below the source alone")


def _picked(contestants: dict[str, Any]) -> str:
    """Return how often the source without skill validates best, so that `warm-start` begins at it."""
    strong, weak = (
        {(trial["shots"], trial["seed"]): _validated(trial) for trial in contestants[name]["trials"]}
        for name in (STRONG, WEAK)
    )
    few, many = ([weak[unit] > strong[unit] for unit in strong if str(unit[0]) == shots] for shots in SHOTS)
    return f"the source of sentiment with {sum(few)} of {len(few)} seeds, with K = 64 with {sum(many) or 'none'}"


def _validated(trial: dict[str, Any]) -> tuple[float, float]:
    return trial["validation"], trial["validation_log_likelihood"]


def _scales(contestants: dict[str, Any]) -> Iterator[str]:
    both, one = contestants["scalearn"], contestants["scalearn-one"]
    scores = f"scales of both score {number(both['score'])} %, scales of the strong one alone {number(one['score'])} %"
    yield f"{scores}: {gap(both['gain'])}, {probability(both['gain']['p_holm'])}"
