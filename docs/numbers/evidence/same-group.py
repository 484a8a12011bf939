"""The numbers of docs/evidence/same-group.md: groups that no source has seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, number, probability, read, reading, require, row
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

from adapter_workbench.experiments.reporting.differences import UNDECIDED

STATED: list[str] = []
SHOTS = ("16", "64")
SENSITIVE = 0.03  # above the fresh LoRA, registered before the design ran
STRONG, STRONG_PFEIFFER = "same-group-fourteen alone, lora", "same-group-fourteen alone, pfeiffer"
WEAK = "same-sentiment-movies alone, lora"
NOT_DECIDED = ("warm-start", "warm-start-average", "scalearn", "adapterfusion", STRONG)


def pieces() -> Iterator[str]:
    """Yield the tables of the design, and the sentences about it."""
    document = read("same-group")
    yield from _sensitivity(document)
    contestants = contestants_of(document, "all")
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    require(all(reading(gains[name]) == UNDECIDED for name in NOT_DECIDED), "undecided")
    source, warm, fusion = gains[STRONG_PFEIFFER], gains["warm-start"], gains["adapterfusion"]
    require(source["reading"] == "higher", "decided")
    alone = f"scores {scores[STRONG_PFEIFFER]} %, a fresh one {scores['fresh pfeiffer']} %"
    yield f"under a fitted head, {alone}: {gap(source)}, {probability(source['p_holm'])}"
    tests = sum(gain["p_holm"] is not None for gain in gains.values())
    yield f"({gap(warm)}, {probability(warm['p_holm'])} after Holm over {tests} comparisons)"
    both = f"{scores['adapterfusion']} %, the source alone {scores[STRONG_PFEIFFER]} %"
    yield f"AdapterFusion ({gap(fusion)}, {probability(fusion['p_holm'])}; {both})"
    yield _picked(document["contestants"])
    scales = contestants_of(read("same-group-scales"), "all")["scalearn"]["gain"]
    require(reading(scales) == UNDECIDED, "undecided")
    yield f"`scalearn` with both sources is {gap(scales)} beside `scalearn` with the fitting one"


def _sensitivity(document: dict[str, Any]) -> Iterator[str]:
    """Yield what a start at the source, and the source itself, have above a fresh LoRA, for each K."""
    for shots in SHOTS:
        scores = {name: standing["score"] for name, standing in contestants_of(document, shots).items()}
        fresh = scores["fresh lora"]
        above = [scores[name] - fresh for name in ("warm-start", STRONG)]
        require(max(above) >= SENSITIVE, "It is at both")
        yield row(shots, number(fresh), *(number(points, signed=True) for points in above))


def _picked(contestants: dict[str, Any]) -> str:
    """Return how often the source without skill validates best, so that `warm-start` begins at it."""
    strong, weak = (
        {(trial["shots"], trial["seed"]): _validated(trial) for trial in contestants[name]["trials"]}
        for name in (STRONG, WEAK)
    )
    few, many = ([weak[unit] > strong[unit] for unit in strong if str(unit[0]) == shots] for shots in SHOTS)
    require(not any(many), "with K = 64 with none")
    return f"picks the source of sentiment with {sum(few)} of {len(few)} seeds"


def _validated(trial: dict[str, Any]) -> tuple[float, float]:
    return trial["validation"], trial["validation_log_likelihood"]
