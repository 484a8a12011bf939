"""The numbers of docs/evidence/form-and-skill.md: three skills and three answer conventions."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, probability, read, reading, require
from measured_contestants import contestants_of, gains_of, rows_of, scores_of

STATED: list[str] = []
READINGS = {
    "pair-sum": "equal",
    "mix": "lower",
    "pair-start, random sources": "lower",
    "best-start": "lower",
    "pair-start, mixed data": "undecided",
}


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    contestants = contestants_of(read("form-and-skill"))
    scores, gains = scores_of(contestants), gains_of(contestants)
    yield from rows_of(contestants)
    for name, verdict in READINGS.items():
        require(reading(gains[name]) == verdict, f"`{name}` is {verdict}")
    yield f"two LoRAs answer next to nothing ({scores['pair-sum']} %)"
    yield f"Trained from their sum a LoRA answers {scores['pair-start']} %, a fresh one {scores['fresh lora']} %"
    random, single, mixed = (gains[name] for name in [*READINGS][2:])
    yield f"Begun at two random LoRAs it is {gap(random)} below that, begun at one source {gap(single)}"
    yield f"`mix` is {gap(gains['mix'])} beside the fresh LoRA"
    yield f"training is {gap(mixed)} beside `pair-start`, {probability(mixed['p_holm'])}"
