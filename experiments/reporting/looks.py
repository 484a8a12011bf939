"""What is said of looks: after how many seeds a comparison was decided, and by which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.measures.looks import levels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.reporting.differences import Difference


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
