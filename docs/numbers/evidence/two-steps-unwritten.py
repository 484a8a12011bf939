"""The numbers of docs/evidence/two-steps-unwritten.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import gap, number, probability, read, reading, require, row
from measured_contestants import contestants_of, gains_of, scores_of

from adapter_workbench.experiments.reporting.differences import MARKS

STATED: list[str] = []
READINGS = {"pair-sum": "higher", "sum": "lower", "pair-start, mixed data": "undecided", "best-start": "lower"}


def pieces() -> Iterator[str]:
    """Yield the table beside that of the other half, and the sentences about it."""
    contestants, written = (contestants_of(read(f"two-steps-{half}")) for half in ("unwritten", "written"))
    scores, gains = scores_of(contestants), gains_of(contestants)
    for name in sorted(contestants, key=lambda name: -contestants[name]["score"]):
        yield _beside_twin(name, contestants[name], written[name.replace("two-steps-", "two-steps-written-")])
    for name, verdict in READINGS.items():
        require(reading(gains[name]) == verdict, f"`{name}` is {verdict}")
    added = f"the sum of two answers {scores['pair-sum']} %, the best source {scores['best source']} %"
    yield f"{added}: {gap(gains['pair-sum'])}"
    yield f"costs nearly all of it: {gap(gains['sum'])}"
    yield f"the sum answers {scores['pair-start']} %, a fresh LoRA {scores['fresh lora']} %"
    yield f"training is {gap(gains['pair-start, mixed data'])} beside `pair-start`"
    afterwards = contestants_of(read("two-steps-added"))["pair-sum"]["gain"]
    require(reading(afterwards) == "higher", "decided")
    yield f"the sum is {gap(afterwards)} above that adapter untrained"


def _beside_twin(name: str, contestant: dict[str, Any], twin: dict[str, Any]) -> str:
    """Return a contestant's row, with its score in the other half of the design first."""
    scores = (number(twin["score"]), number(contestant["score"]))
    difference, against = contestant["gain"], contestant["against"]
    if not against:
        return row(name, "", *scores, "", "")
    p = probability(difference["p_holm"]).removeprefix("p = ")
    return row(name, against, *scores, f"{gap(difference)} {MARKS[reading(difference)]}", p)
