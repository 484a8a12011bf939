"""What stands below a table of differences: what its marks mean, and how many seeds would tell more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.reporting.differences import legend
from experiments.reporting.power import power
from experiments.reporting.presentation import Medium, Paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from experiments.reporting.differences import Difference


def below_differences(declared: Mapping[str, Difference], what: str) -> Iterator[Paragraph]:
    """Yield the legend for a terminal, and the number of seeds where there is a spread to go by.

    Args:
        declared: label → the difference from the reference, one family.
        what: their metric, in words.
    """
    yield Paragraph(legend(declared.values()), "quiet", Medium.TERMINAL)
    if needed := power(declared, what):
        yield Paragraph(needed, "quiet")
