"""The quantities of a fit, which most studies have: each study says where they appear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from adapter_workbench.experiments.reporting.cells import written
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import count, megabytes, seconds
from adapter_workbench.experiments.studies.core.quantity import Quantity, highest, total

COSTS = "costs"  # what a table of costs is called here; each study has its own name for it


class Fit(Protocol):
    """What a result says of the fit behind it; each is as in :class:`.FitRecord`."""

    @property
    def validation(self) -> float | None: ...  # noqa: D102 - above
    @property
    def seconds(self) -> float: ...  # noqa: D102
    @property
    def peak_memory_mb(self) -> float | None: ...  # noqa: D102
    @property
    def trainable_parameters(self) -> int: ...  # noqa: D102


class Kept(Protocol):
    """What is kept of a fit to answer with."""

    @property
    def stored_bytes(self) -> int: ...  # noqa: D102 - above


VALIDATION: Quantity[Fit] = Quantity(
    "validation", "share", lambda fit: fit.validation, written(), "the main metric on the validation split"
)
SECONDS: Quantity[Fit] = Quantity(
    "train_seconds", "s", lambda fit: fit.seconds, written(seconds), "wall time of learning", within=total
)
PEAK_MEMORY: Quantity[Fit] = Quantity(
    "peak_memory_mb",
    "MB",
    lambda fit: fit.peak_memory_mb,
    written(megabytes),
    "highest memory of the process, or of the device, in this time; null where the system does not tell",
    within=highest,
)
PARAMETERS: Quantity[Fit] = Quantity(
    "trainable_parameters",
    "count",
    lambda fit: fit.trainable_parameters,
    written(count),
    "how many numbers the optimiser changed, head included",
    within=highest,
)
STORED: Quantity[Kept] = Quantity(
    "stored_bytes", "bytes", lambda kept: kept.stored_bytes, written(megabytes, 1e-6), "what is kept to answer with"
)


class Counted(Protocol):
    """What was counted during a fit, by quantity; see :data:`COUNTERS`."""

    @property
    def spent(self) -> Mapping[str, float]: ...  # noqa: D102 - above


def _spent(name: str, unit: str, worded: Callable[[float | None], str], head: str, about: str) -> Quantity[Counted]:
    """Return a quantity that a counter measures, with its column in a page's table of costs."""

    def read(result: Counted) -> float | None:
        return result.spent.get(name)

    columns = {COSTS: Column(head, unit=unit, media=Medium.PAGE)}
    return Quantity(name, unit, read, written(worded), about, columns, "cost", "cost", summed=True, within=total)


def spent_in(table: str) -> tuple[Quantity[Counted], ...]:
    """Return all quantities that counters tell, for a study whose table of costs is called so."""
    return tuple(quantity.placed({table: quantity.columns[COSTS]}) for quantity in SPENT)


SPENT: tuple[Quantity[Counted], ...] = (
    _spent("processor_seconds", "s", seconds, "processor time", "processor time of learning, over all of its threads"),
)
