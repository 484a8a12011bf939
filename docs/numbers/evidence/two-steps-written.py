"""The numbers of docs/evidence/two-steps-written.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, probability, read, reading, require
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

STATED = ["All LoRAs train at 0.002"]


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    contestants = contestants_of(read("two-steps-written"))
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    require(gains["pair-sum"]["reading"] == "equal", "equal within 5 points")
    yield f"two LoRAs answer {scores['pair-sum']} %"
    yield f"trained from their sum a LoRA answers {scores['pair-start']} %, a fresh one {scores['fresh lora']} %"
    single, mixed = gains["best-start"], gains["pair-start, mixed data"]
    require(reading(single) == "lower" and reading(mixed) == "undecided", "a better start than one; mixed data")
    yield f"{gap(single)} below that, {probability(single['p_holm'])}"
    yield f"the same training is {gap(mixed)} beside `pair-start`"
