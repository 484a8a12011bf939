"""The numbers of docs/evidence/fuse-reasoning.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, probability, read, reading, require
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

from adapter_workbench.experiments.reporting.differences import UNDECIDED

STATED: list[str] = []
RELATED = "reasoning-gym-needle-haystack alone, lora"
OF_ALL = ("lorahub", "warm-start-average", "ties", "average, lora", "sum")


def pieces() -> Iterator[str]:
    """Yield the table, and the sentences of what is compared."""
    document = read("fuse-reasoning")
    contestants = contestants_of(document)
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    source, warm, picked = gains[RELATED], gains["warm-start"], document["best_composition_minus_best_control"]
    require(source["reading"] == picked["reading"] == "higher", "decided")
    require(not contestants[RELATED]["steps"], "untrained")
    require(gains["best source"]["values"] == source["values"], "Validation picked the related source in all seeds")
    yield f"untrained, answers {scores[RELATED]} %, a fresh LoRA after 16 examples {scores['fresh lora']} %"
    yield f"{gap(source)}, {probability(source['p_holm'])}"
    yield f"is {gap(picked)} above the model without sources that it picks"
    require(all(contestants[name]["score"] <= contestants[RELATED]["score"] for name in OF_ALL), "none is above it")
    require(reading(warm) == UNDECIDED, "undecided")
    yield f"is {gap(warm)} above the fresh LoRA, {probability(warm['p_holm'])} after Holm"
    controls = [gains[f"warm-start, {kind} sources"] for kind in ("random", "shuffled")]
    require(all(reading(gain) == UNDECIDED for gain in controls), "in the means only")
