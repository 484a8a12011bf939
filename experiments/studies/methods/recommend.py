"""Which method to take: the smallest one that cannot be told apart from the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.wording import PERCENT, bounds, count, number
from experiments.studies.methods.report import Recommendation, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.reporting.wording import Unit


def recommend(rows: Sequence[Row], unit: Unit = PERCENT) -> Recommendation | None:
    """Return the method with the fewest trainable parameters whose 95 % interval overlaps that of the best one.

    The best has the highest mean score; of methods that train equally many numbers the one with the higher score is
    taken. None without any score. A method with one seed has no interval: its mean alone has to lie in the best one's.
    """
    scored = [row for row in rows if row.score.mean is not None and row.trainable_parameters is not None]
    if not scored:
        return None
    best = max(scored, key=lambda row: row.score.mean or 0)
    alike = [row for row in scored if _upper(row) >= _lower(best)]
    smallest = min(alike, key=lambda row: (row.trainable_parameters or 0, -(row.score.mean or 0)))
    return Recommendation(smallest.label, f"{_sentence(smallest, best, len(alike), unit.sign)}{unit.note}")


def _sentence(smallest: Row, best: Row, alike: int, sign: str) -> str:
    size = f"{count(smallest.trainable_parameters)} parameters"
    if best.score.low is None:
        score = f"{number(best.score.mean)}{sign}"
        return f"{smallest.label} scores highest ({score}); with one seed nothing more can be told."
    has = f"{best.label} has the best score, {_told(best, sign)}, and"
    if alike == 1:
        return f"{has} no other method's 95 % interval overlaps with it."
    if smallest is best:
        others = f"the {alike} methods whose 95 % intervals overlap with its own"
        return f"{has} trains the fewest of {others} ({size})."
    share = (smallest.trainable_parameters or 0) / best.trainable_parameters if best.trainable_parameters else None
    part = f", {_percent(share)} of {best.label}'s" if share is not None else ""
    return (
        f"{smallest.label}: of the {alike} methods whose 95 % interval overlaps with that of the best, {best.label} "
        f"({_told(best, sign)}), it trains the fewest ({size}{part}), and scores {_told(smallest, sign)}."
    )


def _told(row: Row, sign: str) -> str:
    interval = bounds(row.score)
    return f"{number(row.score.mean)}{sign}{f' {interval}' if interval else ''}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"


def _lower(row: Row) -> float:
    return row.score.low if row.score.low is not None else row.score.mean or 0.0


def _upper(row: Row) -> float:
    return row.score.high if row.score.high is not None else row.score.mean or 0.0
