"""What stands below a table of differences: what its marks mean, and what would decide the undecided ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import legend
from adapter_workbench.experiments.reporting.looks import looks_in_words
from adapter_workbench.experiments.reporting.power import CONTINUED, needs_in_words
from adapter_workbench.experiments.reporting.presentation import Medium, Paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference


def below_differences(
    declared: Mapping[str, Difference], what: str, looks: Sequence[int] = (), continued: str = CONTINUED
) -> Iterator[Paragraph]:
    """Yield the legend for a terminal, and what would decide the undecided differences; nothing where there are none.

    Args:
        declared: label → the difference from the reference, one family.
        what: their metric, in words.
        looks: of the record.
        continued: how seeds are added.
    """
    if not declared:
        return
    if by_look := looks_in_words(looks):
        yield Paragraph(by_look, "quiet")
    yield Paragraph(legend(declared.values()), "quiet", Medium.TERMINAL)
    if needed := needs_in_words(declared, what, continued, looks):
        yield Paragraph(needed, "quiet")
