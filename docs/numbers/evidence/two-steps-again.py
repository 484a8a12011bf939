"""The numbers of docs/evidence/two-steps-again.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, number, probability, read, reading, require
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

STATED = [
    "**Not compared: the two sources called one after the other**",  # until a recipe compares it
]
PAIR_SUMS = ("pair-sum", "pair-sum-animals", "pair-sum-reverse", "pair-sum-double")  # one sum beside four controls


def pieces() -> Iterator[str]:
    """Yield what became of the sum on other seeds, where nothing is trained or picked."""
    contestants = contestants_of(read("two-steps-again"), "0")
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    for name in PAIR_SUMS:
        require(reading(gains[name]) == "higher", f"`{name}` is higher")
    require(reading(gains["pair-sum, random sources"]) == "lower", "two random LoRAs are lower")
    mixed = f"one LoRA of all data sets mixed {scores['mixed data alone, lora']} %"
    beside = f"{gap(gains['pair-sum'])}, {probability(gains['pair-sum']['p_holm'])}"
    yield f"The sum answers {scores['pair-sum']} %, {mixed}: {beside}"
    alone = sorted(contestants[name]["score"] for name in contestants if name.startswith("two-steps-"))
    yield f"The sources answer {number(alone[0])} to {number(alone[-1])} %"
    yield f"two random LoRAs of the same norms {scores['pair-sum, random sources']} %"
    first, second = contestants["pair-sum"]["targets"].values()
    words = f"of words to write two times each {number(second)} %"
    yield f"of lists to write backwards it answers {number(first)} %, {words}"
