"""The numbers of docs/composing.md that are of design (c): two steps, the middle written out."""

from __future__ import annotations

from collections.abc import Iterator

from measured import limits, number, probability, read, reading, require, signed
from measured_generator import contestant_row, contestants_of

STATED = ["at a learning rate of 0.002"]
STARTS = {
    "pair-start": "at the sum of the two that it needs",
    "best-start": "at the one source that validates best",
    "pair-start, mixed data": "at one LoRA trained on all three data sets",
    "pair-start, random sources": "at two random LoRAs",
    "fresh lora": "at nothing",
}


def pieces() -> Iterator[str]:
    """Yield the table of the design, and the sentences about it."""
    contestants = contestants_of(read("two-steps-written"))
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    yield ", ".join(f"{where} {scores[name]} %" for name, where in STARTS.items())
    added = contestants["pair-sum"]["gain"]
    require(added["reading"] == "equal", "equal within 5 points")
    yield f"the sum of two LoRAs answers {scores['pair-sum']} % right"
    single = contestants["best-start"]["gain"]
    require(single["reading"] == "lower", "decided")
    beside = f"{signed(single)} {limits(single)} beside `pair-start`, {probability(single['p_holm'])}"
    yield f"begun at one source it is {beside}"
    alone, start = contestants["mixed data alone, lora"], contestants["pair-start, mixed data"]["gain"]
    require(reading(start) == "undecided", "undecided")
    yield f"a LoRA of all data sets mixed answers {number(alone['score'])} %"
    yield f"{number(start['mean'], signed=True)} {limits(start)} beside `pair-start`, undecided"
    weighted = contestants["pair-mix"]["gain"]
    require(weighted["reading"] == "higher", "decided")
    yield (
        f"two LoRAs under learned weights (`pair-mix`, {scores['pair-mix']} %) are "
        f"{number(weighted['mean'], signed=True)} {limits(weighted)} above it, {probability(weighted['p_holm'])}"
    )
