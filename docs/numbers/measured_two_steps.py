"""The numbers of docs/explanations/composing.md that are of design (c): two steps, the middle written out, and not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, number, probability, read, reading, require, row, whole
from measured_generator import contestant_row, contestants_of

from adapter_workbench.experiments.reporting.differences import MARKS

STATED = [
    "at a learning rate of 0.002",
    "**Not compared: the two sources called one after the other**",  # until a recipe compares it
]
READINGS = {  # of the half whose middle is not written
    "pair-sum": "higher",
    "sum": "lower",
    "pair-start, mixed data": "undecided",
    "pair-mix": "higher",
    "best-start": "lower",
}

PAIR_SUMS = ("pair-sum", "pair-sum-animals", "pair-sum-reverse", "pair-sum-double")  # one sum beside four controls


def pieces() -> Iterator[str]:
    """Yield the tables of both halves of the design, and the sentences about them."""
    written, unwritten = (contestants_of(read(f"two-steps-{half}")) for half in ("written", "unwritten"))
    yield from _written(written)
    yield from _unwritten(unwritten, written)
    yield from _added(contestants_of(read("two-steps-added")))
    yield from _again(contestants_of(read("two-steps-again"), "0"))
    yield from _untrained_sums()


def _untrained_sums() -> Iterator[str]:
    """Yield how much the sum of two LoRAs answers in the three settings in which each has a part of the skill."""
    designs = (read(name)["contestants"] for name in ("two-steps-unwritten", "two-steps-written", "form-and-skill"))
    first, *others = (whole(contestants["pair-sum"]["standings"]["16"]["score"]) for contestants in designs)
    (other,) = {*others}
    yield f"try the sum as it is: it answers {first} % in one of three settings"
    yield f"and {other} % in the others"


def _written(contestants: dict[str, Any]) -> Iterator[str]:
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    start = "at the sum of the two that it needs answers"
    yield f"{start} {scores['pair-start']} %, a fresh one {scores['fresh lora']} %"
    added = contestants["pair-sum"]["gain"]
    require(added["reading"] == "equal", "equal within 5 points")
    yield f"the sum of two LoRAs answers {scores['pair-sum']} % right"
    single = contestants["best-start"]["gain"]
    require(single["reading"] == "lower", "decided")
    beside = f"{gap(single)} beside `pair-start`, {probability(single['p_holm'])}"
    yield f"begun at one source, the same training is {beside}"
    alone, start = contestants["mixed data alone, lora"], contestants["pair-start, mixed data"]["gain"]
    require(reading(start) == "undecided", "undecided")
    yield f"a LoRA of all data sets mixed answers {number(alone['score'])} %"
    yield f"{gap(start)} beside `pair-start`, undecided"
    weighted = contestants["pair-mix"]["gain"]
    require(weighted["reading"] == "higher", "decided")
    yield (
        f"two LoRAs under learned weights (`pair-mix`, {scores['pair-mix']} %) are "
        f"{gap(weighted)} above it, {probability(weighted['p_holm'])}"
    )


def _unwritten(contestants: dict[str, Any], written: dict[str, Any]) -> Iterator[str]:
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        twin = written[name.replace("two-steps-", "two-steps-written-")]
        yield _beside_twin(name, contestants[name], twin)
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    start = "at the sum of the two that it needs answers"
    yield f"{start} {scores['pair-start']} %, a fresh one {scores['fresh lora']} %"
    gains = {name: contestant["gain"] for name, contestant in contestants.items()}
    for name, verdict in READINGS.items():
        require(reading(gains[name]) == verdict, f"`{name}` is {verdict}")
    yield f"{scores['pair-sum']} % right, the best source {scores['best source']} %: {gap(gains['pair-sum'])}"
    yield f"the sum of all three is {gap(gains['sum'])} beside it"
    yield f"{gap(gains['pair-start, mixed data'])} beside `pair-start`, undecided again"
    yield f"`pair-mix` ({scores['pair-mix']} %) is {gap(gains['pair-mix'])} beside one LoRA of all data sets mixed"
    yield f"Begun at one source, the same training is {gap(gains['best-start'])} beside `pair-start`"


def _beside_twin(name: str, contestant: dict[str, Any], twin: dict[str, Any]) -> str:
    """Return a contestant's row, with its score in the other half of the design first."""
    scores = (number(twin["score"]), number(contestant["score"]))
    difference, against = contestant["gain"], contestant["against"]
    if not against:
        return row(name, "", *scores, "", "")
    p = probability(difference["p_holm"]).removeprefix("p = ")
    return row(name, against, *scores, f"{gap(difference)} {MARKS[reading(difference)]}", p)


def _added(contestants: dict[str, Any]) -> Iterator[str]:
    mixed, random = contestants["pair-sum"]["gain"], contestants["pair-sum, random sources"]["gain"]
    require(reading(mixed) == "higher" and reading(random) == "lower", "decided")
    yield f"{gap(mixed)} above one LoRA of all data sets mixed, {probability(mixed['p_holm'])}"
    yield f"two random LoRAs answer {number(contestants['pair-sum, random sources']['score'])} %"


def _again(contestants: dict[str, Any]) -> Iterator[str]:
    """Yield what became of the sum on other seeds, where nothing is trained or picked."""
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield contestant_row(name, contestants[name])
    scores = {name: number(contestant["score"]) for name, contestant in contestants.items()}
    gains = {name: contestant["gain"] for name, contestant in contestants.items()}
    for name in PAIR_SUMS:
        require(reading(gains[name]) == "higher", f"`{name}` is higher")
    drawn = gains["pair-sum, random sources"]
    require(reading(drawn) == "lower", "two random LoRAs are lower")
    mixed = f"one LoRA of all data sets mixed {scores['mixed data alone, lora']} %"
    yield f"The sum answers {scores['pair-sum']} %, {mixed}"
    yield f"{gap(gains['pair-sum'])} beside it, {probability(gains['pair-sum']['p_holm'])}"
    alone = sorted(contestants[name]["score"] for name in contestants if name.startswith("two-steps-"))
    yield f"The sources answer {number(alone[0])} to {number(alone[-1])} %"
    yield f"two random LoRAs of the same norms {scores['pair-sum, random sources']} %"
    yield f"above mixed data in all {len(gains['pair-sum']['values'])} seeds"
    require(min(gains["pair-sum"]["values"]) > 0, "in all seeds")
    first, second = contestants["pair-sum"]["targets"].values()
    words = f"of words to write two times each {number(second)} %"
    yield f"Of lists to write backwards it answers {number(first)} %, {words}"
