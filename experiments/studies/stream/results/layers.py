"""In which layer the hidden states of checkpoints changed most."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.stream.results.probe_summaries import mean

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

CKA = "cka"
OF_TASK = re.compile(r".*/layer-(\d+)")


def changed_most(strategy: StrategyReport) -> tuple[int, float] | None:
    """Return the layer whose states at the end are least like those of before, and how like; None if not measured."""
    by_layer: dict[int, list[float]] = {}
    for quantity, series in strategy.probes.get(CKA, {}).items():
        if (match := OF_TASK.fullmatch(quantity)) and series.last.mean is not None:
            by_layer.setdefault(int(match[1]), []).append(series.last.mean)
    means = {layer: similarity for layer, values in by_layer.items() if (similarity := mean(values)) is not None}
    return min(means.items(), key=lambda layer: layer[1]) if means else None
