"""The numbers of docs/explanations/composing.md that are of design (b): three skills and three answer conventions."""

from __future__ import annotations

from collections.abc import Iterator

from measured import gap, number, probability, read, reading, require
from measured_generator import contestant_row, contestants_of

READINGS = {
    "pair-sum": "equal",
    "pair-sum-mixed": "equal",
    "sum": "equal",
    "mix": "lower",
    "pair-start, random sources": "lower",
    "best-start": "lower",
    "pair-start, mixed data": "undecided",
}


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    document = read("form-and-skill")
    contestants = contestants_of(document)
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    gains = {name: contestant["gain"] for name, contestant in contestants.items()}
    for name, verdict in READINGS.items():
        require(reading(gains[name]) == verdict, f"`{name}` is {verdict}")
    begun = "at the sum of the two that a cell needs answers"
    yield f"{begun} {scores['pair-start']} %, a fresh one {scores['fresh lora']} %"
    added, mixed, start = (gains[name] for name in ("pair-sum", "pair-sum-mixed", "pair-start, mixed data"))
    alone = f"the best source {scores['best source']} %"
    yield f"`pair-sum` has {scores['pair-sum']} % right, {alone}: {gap(added)}"
    yield f"it is {gap(mixed)} beside one LoRA of all data sets mixed, {probability(mixed['p_holm'])}"
    yield f"`mix`, learned weights for all six, is {gap(gains['mix'])} beside it"
    require(contestants["pair-mix"]["score"] < contestants["fresh lora"]["score"], "do not reach the fresh LoRA")
    yield f"(`pair-mix`, {scores['pair-mix']} %)"
    random, single = gains["pair-start, random sources"], gains["best-start"]
    yield f"the same training is {gap(random)} beside `pair-start`, begun at one source {gap(single)}"
    yield f"{gap(start)} beside `pair-start`, {probability(start['p_holm'])} after Holm, undecided"
    picked = document["best_composition_minus_best_mixed_data"]
    yield f"is {gap(picked)} beside that\n  start, {probability(picked['p'])}"
