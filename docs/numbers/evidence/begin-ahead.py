"""The numbers of docs/evidence/begin-ahead.md: where a language model's LoRA should begin."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, probability, read, reading, require
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

from adapter_workbench.experiments.reporting.differences import UNDECIDED

STATED: list[str] = []
STARTS = {
    "fresh lora": "from what the seed draws",
    "nearest": "at the best source",
    "fused": "at the average of six",
    "nearest, mixed data": "at one adapter of all their data",
}


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    document = read("begin-ahead")
    contestants = contestants_of(document, "64")
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    yield ", ".join(f"{scores[name]} % {where}" for name, where in STARTS.items())
    yield f"Full fine-tuning on the 64 examples answers {scores['full fine-tuning']} %"
    picked = document["best_composition_minus_best_control"]
    require(picked["reading"] == "lower" and scores["best control"] == scores["full fine-tuning"], "below, decided")
    mixed = document["best_composition_minus_best_mixed_data"]
    require(mixed["reading"] == "lower" and not picked["p_holm"] and not mixed["p_holm"], "below, p not adjusted")
    yield f"is {gap(picked)} beside it, and {gap(mixed)} beside the adapter of all data"
    shuffled = gains["nearest, shuffled sources"]
    require(reading(shuffled) == UNDECIDED, "undecided")
    yield f"The start at shuffled sources ({probability(shuffled['p_holm'])})"
    untrained = [contestants[name]["score"] for name in contestants if "alone" in name or name == "average, lora"]
    require(not any(untrained), "Without training nothing answers anything")
