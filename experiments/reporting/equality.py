"""What was not equal: where those who are compared had another head, more epochs, more trials, found by comparing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter_workbench.experiments.reporting.cells import words
from adapter_workbench.experiments.reporting.presentation import Column, Medium, Paragraph, Table
from adapter_workbench.experiments.reporting.wording import some

MOST_NAMED = 6  # of those with the same value


@dataclass(frozen=True)
class Inequality:
    """One circumstance in which entries are not like what they are compared with."""

    what: str  # the circumstance
    control: str  # the label of what they are compared with
    expected: Any  # the control's value
    others: tuple[tuple[Any, tuple[str, ...]], ...]  # (value, who has it), for the values that are not the control's

    def as_json(self) -> dict[str, Any]:
        """Return ``{what, against, reference, others: [{value, who}]}``; ``reference`` is the value of ``against``."""
        others = [{"value": value, "who": list(who)} for value, who in self.others]
        return {"what": self.what, "against": self.control, "reference": self.expected, "others": others}


def inequalities(
    circumstances: Mapping[str, Mapping[str, Any]], reference: str, controls: Mapping[str, str] | None = None
) -> tuple[Inequality, ...]:
    """Return in what the compared differ from what they are compared with, besides what is compared.

    Args:
        circumstances: label → circumstance → its value; None, or no entry, where it has no meaning for that one (no
            epochs where nothing is trained), which does not count as a difference.
        reference: a label; where it has no value itself, the first that has one and is compared with it stands for it.
        controls: label → what it is compared with, where that is not the reference.
    """
    groups: dict[str, list[str]] = {reference: [reference]}  # control → itself, and who is compared with it
    for label in circumstances:
        if label != reference:
            control = (controls or {}).get(label, reference)
            groups.setdefault(control, [control]).append(label)
    return tuple(
        inequality
        for name in dict.fromkeys(name for values_of in circumstances.values() for name in values_of)
        for control, labels in groups.items()
        for inequality in _inequality(
            name, control, {label: circumstances.get(label, {}).get(name) for label in labels}
        )
    )


def _inequality(name: str, control: str, values: Mapping[str, Any]) -> Iterator[Inequality]:
    """Yield in what those who are compared with one control differ from it; ``values``: by label, the control first."""
    known = {label: value for label, value in values.items() if value is not None}
    expected = next(iter(known.values()), None)
    labels_by_value: dict[Any, list[str]] = {}
    for label, value in known.items():
        if value != expected:
            labels_by_value.setdefault(value, []).append(label)
    if labels_by_value:
        others = tuple((value, tuple(labels)) for value, labels in labels_by_value.items())
        yield Inequality(name, control, expected, others)


def not_equal(unequal: tuple[Inequality, ...], reference: str, controls: Mapping[str, str]) -> Table | Paragraph:
    """Return the table of :func:`inequalities`, a row for each value that is not the control's; without any, a line.

    The line promises no more than was compared: an advantage that no setting tells is not found.
    """
    if not unequal:
        return Paragraph("What was not equal: nothing that the settings tell.", "quiet", Medium.PAGE)
    one_control = {*controls.values()} <= {reference}
    heads = ["what", *([reference] if one_control else ["against", "its value"]), "others", "who"]
    theirs = f"those of {reference}" if one_control else "those of what it is compared with"
    return Table(
        "not-equal",
        "What was not equal",
        tuple(Column(head, left=position > 0) for position, head in enumerate(heads)),
        [
            (
                words(inequality.what),
                *([] if one_control else [words(inequality.control)]),
                words(inequality.expected),
                words(value),
                words(some(who, MOST_NAMED)),
            )
            for inequality in unequal
            for value, who in inequality.others
        ],
        note=f"Found by comparing the settings of each entry with {theirs}. A difference between two that are unequal "
        "here may come from that, and not from what they are named after.",
        media=Medium.PAGE,
    )
