"""Which method to take: the smallest that is higher than the reference, or that nothing puts below it.

Higher and lower are those of the declared test, every method against the reference, adjusted for all of them; one that
the recipe compares with another method is not recommended. A recommendation asks for more: the unadjusted test may not
call the method lower either, since a difference that was not found may be there all the same; few seeds find little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import side, tested_over
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named
from adapter_workbench.experiments.reporting.wording import PERCENT, count, number
from adapter_workbench.experiments.studies.methods.quantities import PARAMETERS
from adapter_workbench.experiments.studies.methods.report import Recommendation
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.wording import Unit
    from adapter_workbench.experiments.studies.methods.row import Row

    Compared = tuple[Row, Difference]


def recommend(rows: Sequence[Row], reference: str, unit: Unit = PERCENT) -> Recommendation | None:
    """Return the method with the fewest trainable parameters of those that the declared test lets through.

    These are the methods that are higher than the reference; where none is, the reference and every method that the
    unadjusted test does not put below it. Of equally many parameters the higher mean wins.

    Args:
        rows: every method, their differences adjusted as one family.
        reference: the label that the differences are taken from.
        unit: of the scores.

    Returns:
        A recommendation without a label where none is possible: of one method, or with one seed. None where none is
        possible yet: no method has two seeds in common with the reference.
    """
    if len(rows) == 1:
        return Recommendation(None, "There is nothing to compare: the recipe has one method.")
    beside = [row for row in rows if row.label != reference and row.against in ("", reference)]
    if not beside:
        return Recommendation(None, f"Nothing can be recommended: no method is compared with {reference}.")
    measured = [(row, row.difference) for row in beside if row.difference and row.difference.seeds.mean is not None]
    if any(len(difference.seeds.values) == 1 for _, difference in measured):
        return Recommendation(None, f"{_one_seed(rows, unit.sign)}{unit.note}")
    tested = [(row, difference) for row, difference in measured if difference.p is not None]
    if not tested:
        return None
    chosen, sentence = _smallest(next(row for row in rows if row.label == reference), tested)
    return Recommendation(chosen.label, f"{sentence}{unit.note}")


def _one_seed(rows: Iterable[Row], sign: str) -> str:
    scores = {row.label: row.score.mean for row in rows if row.score.mean is not None}
    best = max(scores, key=lambda label: scores[label])
    score = f"{number(scores[best])}{sign}"
    return f"With one seed nothing can be recommended; the highest score is that of {best} ({score})."


def _smallest(reference: Row, tested: Sequence[Compared]) -> tuple[Row, str]:
    """Return the recommended method, and why."""
    higher = [pair for pair in tested if pair[1].reading == "higher"]
    if higher:
        chosen, difference = min(higher, key=_size)
        which = f"are higher than {reference.label}"
        return chosen, f"{_fewest(chosen, reference, which)}. {_beside(chosen, reference, difference)}"
    smaller = [pair for pair in tested if _size(pair)[0] < (PARAMETERS.number(reference) or 0)]
    unharmed = [pair for pair in smaller if not _is_below(pair[1])]
    over = tested_over(difference for _, difference in tested)
    if unharmed:
        chosen, difference = min(unharmed, key=_size)
        which = f"are not below {reference.label} by the unadjusted test over {over}"
        return chosen, f"{_fewest(chosen, reference, which)}. {_beside(chosen, reference, difference)}"
    if smaller:
        return reference, (
            f"{reference.label}: no method is higher, and each that trains fewer parameters is below it by the "
            f"unadjusted test over {over}."
        )
    size = f"{count(PARAMETERS.number(reference))} parameters"
    return reference, f"{reference.label}: no method is higher, and none trains fewer parameters ({size})."


def _size(pair: Compared) -> tuple[float, float]:
    row, _ = pair
    return PARAMETERS.number(row) or 0, -(row.score.mean or 0)


def _is_below(difference: Difference) -> bool:
    """Return whether the test, not adjusted for other methods, says that the difference is negative."""
    return difference.p is not None and difference.p < LEVEL and side(difference.seeds) == "lower"


def _fewest(chosen: Row, reference: Row, which: str) -> str:
    size, whole = PARAMETERS.number(chosen) or 0, PARAMETERS.number(reference)
    share = f", {_percent(size / whole)} of {reference.label}'s" if whole else ""
    return f"{chosen.label} trains the fewest parameters ({count(size)}{share}) of the methods that {which}"


def _beside(chosen: Row, reference: Row, difference: Difference) -> str:
    return ComparisonInWords(Named(chosen.label), Named(reference.label), SCORED, difference).sentence


def _percent(share: float) -> str:
    percent = 100 * share
    if percent < 0.001:
        return "less than 0.001 %" if percent else "0 %"
    digits = next((digits for digits, least in enumerate((10, 1, 0.1)) if percent >= least), 3)
    return f"{percent:.{digits}f} %"
