"""How probable it is that comparisons are decided by a look that is ahead, from what was measured so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.families import hypothesis
from adapter_workbench.workbench.measures.looks import chance_by_look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference


def chances_by_look(undecided: Mapping[str, Difference], looks: Sequence[int]) -> dict[str, dict[int, float]]:
    """Return label → number of seeds → the chance to be decided by then; nothing for what has no spread to go by.

    It is at least the chance to be decided at the best of the looks until then.
    """
    hypotheses = len({hypothesis(difference) for difference in undecided.values()})
    return {label: _by_then(difference, looks, hypotheses) for label, difference in undecided.items()}


def _by_then(difference: Difference, looks: Sequence[int], hypotheses: int) -> dict[int, float]:
    estimate, seeds = difference.estimate, difference.tested_seeds
    if estimate is None or estimate.p is None:
        return {}
    at_look = chance_by_look(estimate, seeds, looks, hypotheses, difference.margin)
    best, by_then = 0.0, {}
    for look, chance in at_look.items():
        best = max(best, chance)
        by_then[look] = best
    return by_then
