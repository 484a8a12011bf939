"""What was not equal: where those who are compared had another head, more epochs, more trials, found by comparing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.reporting.cells import words
from experiments.reporting.presentation import Column, Medium, Paragraph, Table
from experiments.reporting.wording import some

MOST_NAMED = 6  # of those with the same value


@dataclass(frozen=True)
class Inequality:
    """One circumstance in which not all are like the reference.

    Attributes:
        what: the circumstance.
        reference: the reference's value.
        others: (value, who has it), for the values that are not the reference's.
    """

    what: str
    reference: Any
    others: tuple[tuple[Any, tuple[str, ...]], ...]

    def as_json(self) -> dict[str, Any]:
        """Return ``{what, reference, others: [{value, who}]}``."""
        others = [{"value": value, "who": list(who)} for value, who in self.others]
        return {"what": self.what, "reference": self.reference, "others": others}


def inequalities(circumstances: Mapping[str, Mapping[str, Any]], reference: str) -> tuple[Inequality, ...]:
    """Return in what the compared differ from the reference, besides what is compared.

    Args:
        circumstances: label → circumstance → its value; None, or no entry, where it has no meaning for that one (no
            epochs where nothing is trained), which does not count as a difference.
        reference: a label; where it has no value itself, the first that has one stands for it.
    """
    unequal = []
    for circumstance in dict.fromkeys(name for values_of in circumstances.values() for name in values_of):
        values = {
            label: values_of[circumstance]
            for label, values_of in circumstances.items()
            if values_of.get(circumstance) is not None
        }
        if not values:
            continue
        expected = values.get(reference, next(iter(values.values())))
        labels_by_value: dict[Any, list[str]] = {}
        for label, value in values.items():
            if value != expected:
                labels_by_value.setdefault(value, []).append(label)
        if labels_by_value:
            differing = tuple((value, tuple(labels)) for value, labels in labels_by_value.items())
            unequal.append(Inequality(circumstance, expected, differing))
    return tuple(unequal)


def not_equal(unequal: tuple[Inequality, ...], reference: str) -> Table | Paragraph:
    """Return the table of :func:`inequalities`, a row for each value that is not the reference's; without any, a line.

    The line promises no more than was compared: an advantage that no setting tells is not found.
    """
    if not unequal:
        return Paragraph("What was not equal: nothing that the settings tell.", "quiet", Medium.PAGE)
    return Table(
        "not-equal",
        "What was not equal",
        (Column("what"), Column(reference, left=True), Column("others", left=True), Column("who", left=True)),
        [
            (words(inequality.what), words(inequality.reference), words(value), words(some(who, MOST_NAMED)))
            for inequality in unequal
            for value, who in inequality.others
        ],
        note=f"Found by comparing the settings of all with those of {reference}. A difference between two that are "
        "unequal here may come from that, and not from what they are named after.",
        media=Medium.PAGE,
    )
