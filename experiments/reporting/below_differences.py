"""What stands below a table of differences: what its marks mean, and what would decide the undecided ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.differences import legend
from adapter_workbench.experiments.reporting.power import CONTINUED, needs_in_words
from adapter_workbench.experiments.reporting.presentation import Medium, Paragraph
from adapter_workbench.workbench.measures.looks import levels

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


# What is said of looks: after how many seeds a comparison was decided, and by which rule.


def decided_at(difference: Difference | None) -> str:
    """Return ``decided at 3 seeds``; nothing where there is no difference, or no look was reached."""
    if difference is None or difference.look is None:
        return ""
    return f"{'decided' if difference.is_decided else 'undecided'} at {difference.look} seeds"


def looks_in_words(looks: Sequence[int]) -> str:
    """Return by which rule verdicts were read at looks; nothing where there are none."""
    if not looks:
        return ""
    *first, last = looks
    seeds = f"{', '.join(map(str, first))} and {last}" if first else f"{last}"
    thresholds = ", ".join(f"{level:g}" for level in levels(looks).values())
    return (
        f"Verdicts are read after {seeds} seeds, p against {thresholds}: together no more than 0.05. What is decided "
        "stays as it is, and only what is undecided gets more seeds, so entries have unequally many. Scores are means "
        "over an entry's own seeds; differences are over the seeds that both have, up to the look."
    )
