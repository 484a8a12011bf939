"""How fast training went in this workspace before: what a dry run expects of the time."""

from __future__ import annotations

import math
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from workbench.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from experiments.studies.methods.plan import ComparisonPlan
    from experiments.studies.stream.plan import Plan
    from experiments.studies.stream.record import Contender
    from experiments.workspace import Workspace
    from workbench.fit_record import FitRecord
    from workbench.settings import Budget

# what the time of a step hangs on
SHAPE = ("batch_size", "gradient_accumulation", "max_length", "precision", "quantization")


def stream_speed(plan: Plan, workspace: Workspace) -> Callable[[Contender], float | None]:
    """Return what tells a contender's seconds per optimiser step, validation included.

    It is the mean over all fits of streams with the same backbone, strategy, method and shape of a step; None where
    there was none.
    """
    fits: dict[tuple[str, str], list[FitRecord]] = defaultdict(list)
    for name in workspace.streams():
        with suppress(IntegrityError):  # what is damaged tells nothing
            record = workspace.record(name)
            if record.backbone == plan.recipe.backbone and _alike(record.budget, plan.recipe.budget):
                known = {one.label: (one.strategy, one.method) for one in record.contenders}
                for label, fit in workspace.fits(name):
                    fits[known[label]].append(fit)
    return lambda contender: _pace(fits[contender.strategy, contender.method])


def method_speed(plan: ComparisonPlan, workspace: Workspace) -> Callable[[str], float | None]:
    """Return what tells the same of a label of a comparison of methods, from the stored adapters of its method."""
    fits: dict[str, list[FitRecord]] = defaultdict(list)
    for adapter in workspace.adapters.ids():
        with suppress(IntegrityError):
            manifest = workspace.adapters.get(adapter).manifest
            alike = _alike(manifest.budget.model_dump(mode="json"), plan.recipe.budget)
            if alike and manifest.backbone.name == plan.recipe.backbone and not manifest.composition:
                fits[manifest.method].append(manifest.fit)
    return lambda label: _pace(fits[plan.adaptations[label].method])


def total(seconds: Sequence[float | None]) -> float | None:
    """Return the sum; None where a part is not known."""
    known = [one for one in seconds if one is not None]
    return math.fsum(known) if len(known) == len(seconds) else None


def _alike(told: Mapping[str, Any], budget: Budget) -> bool:
    wanted = budget.model_dump(mode="json")
    return all(told.get(name) == wanted.get(name) for name in SHAPE)


def _pace(fits: Iterable[FitRecord]) -> float | None:
    timed = [fit for fit in fits if fit.steps]
    return math.fsum(fit.seconds for fit in timed) / sum(fit.steps * fit.trials for fit in timed) if timed else None
