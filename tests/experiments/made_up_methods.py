"""Rows of a comparison of methods that were made up: a score a seed, and no adapter behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.studies.core.rows import At
from adapter_workbench.experiments.studies.methods.record import Entry
from adapter_workbench.experiments.studies.methods.report import MethodRow
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference


def method_row(
    label: str,
    scores: Sequence[float],
    parameters: int = 1000,
    difference: Difference | None = None,
    tasks: Sequence[str] = ("",),
    entry: Entry | None = None,
    **more: Any,
) -> MethodRow:
    """Return a method with these scores, one a seed, the same on each task; ``difference`` is that from ``full``."""
    fits = {
        At(seed, task=task): FittedAdapter(
            adapter=label,
            evaluation=label,
            score=score,
            validation=score,
            seconds=1.0,
            trainable_parameters=parameters,
            label=label,
            task=task,
            seed=seed,
        )
        for seed, score in enumerate(scores)
        for task in tasks
    }
    seeds = tuple((seed, 0) for seed in range(len(scores)))
    differences = {"": difference} if difference else {}
    against = dict.fromkeys(differences, "full")
    return MethodRow(label, entry or Entry(label, label, {}), seeds, tuple(tasks), fits, against, differences, **more)
