"""The numbers of docs/evidence/predicting.md: what is registered there, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import correlation, fmean
from typing import Any

from measured import decimals, number, read, require, row

STATED: list[str] = []
TITLES = {
    "brier": "Brier score",
    "minus_best_source": "minus that of: always the best single source",
    "minus_base_rate": "minus that of the base rate",
    "rank_correlation": "rank correlation with the gain",
}


def pieces() -> Iterator[str]:
    """Yield the table of both judgements, and what is said of them."""
    document = read("predicting")
    unseen, apart, cases = document["unseen"], document["each_target_left_out"], document["cases"]
    require(not document["left_out"], "none was left out")
    require(not unseen["ships"] and unseen["gaining"], "`--predict` does not ship")
    for name, title in TITLES.items():
        yield row(title, *(text for judged in (unseen, apart) for text in with_interval(judged["scores"][name])))
    yield f"{apart['gaining']} of the {apart['cases']} fitted cases gain"
    tested = [case for case in cases if "probability" in case]
    gaining = [case for case in tested if case["gains"]]
    require(len({(case["target"], case["shots"]) for case in gaining}) == 1, "those of one target with one K")
    yield f"of the {unseen['cases']} unseen ones {unseen['gaining']}, those of `{gaining[0]['target']}` with K = 64"
    yield f"{number(fmean(case['probability'] for case in tested))} % for the unseen cases in the mean"
    yield collapsed([case for case in cases if "probability" not in case])


def collapsed(fitted: list[dict[str, Any]]) -> str:
    """Return how far three inputs are one number in the cases that the model was fitted on."""
    columns = {name: [case[name] for case in fitted] for name in ("headroom", "sensitivity", "room")}
    first, second = (correlation(columns["headroom"], columns[other]) for other in ("sensitivity", "room"))
    require(max(first, second) < -0.99, "three of its five inputs are one number")
    return f"the correlations of headroom with the two are {decimals(first, 3)} and {decimals(second, 3)}"


def with_interval(score: dict[str, Any]) -> tuple[str, str]:
    """Return a score and its interval."""
    ends = ", ".join(decimals(score[end], 3) for end in ("low", "high"))
    return decimals(score["value"], 3), f"[{ends}]"
