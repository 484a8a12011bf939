"""The quantities of a comparison of methods: of an adapter, of a method's step and answers, and of a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import DASH, megabytes
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.quantity import Quantity
from adapter_workbench.experiments.studies.core.reference import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter_workbench.experiments.studies.methods.row import Row
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
    from adapter_workbench.workbench.training.measured_cost import MeasuredCost

COST = {"json": "cost", "tracked": "cost"}


def _costs(head: str, unit: str = "", short: str = "", rare: bool = False) -> dict[str, Column]:
    return {"costs": Column(head, unit=unit, short=short, media=Medium.PAGE if rare else Medium.ANY)}


def slowdown(value: float | None) -> str:
    """Return how much longer an answer takes than the bare backbone's: ``+12 %``."""
    if value is None:
        return DASH
    text = f"{100 * value:+.0f}"
    return f"{'0' if float(text) == 0 else text.replace('-', '−')} %"


_ABOUT = "the task's main metric on the test split; of a method the mean over tasks"
_TEST: Quantity[FittedAdapter] = Quantity(
    "score", "share", lambda cell: cell.score, score, _ABOUT, json="", tracked="", summed=True
)
_VALIDATION = fit.VALIDATION.placed({"scores": Column("validation", media=Medium.PAGE)}, json="", tracked="")
_TRAINED = fit.PARAMETERS.placed(
    {**_costs("trained parameters", short="trained"), "summary": Column("trained parameters")}, **COST, summed=True
)
_SECONDS = fit.SECONDS.placed(_costs("fit", "s", "training"), **COST, summed=True)
_PEAK = fit.PEAK_MEMORY.placed(_costs("process memory", "MB", rare=True), **COST)
_STORED = fit.STORED.placed(_costs("stored", "MB"), **COST, summed=True)
_SPENT = fit.spent_in("costs")
ADAPTER: tuple[Quantity[FittedAdapter], ...] = (_TEST, _VALIDATION, _TRAINED, _SECONDS, _PEAK, _STORED, *_SPENT)


def _measured(
    name: str,
    unit: str,
    read: Callable[[MeasuredCost], float | None],
    worded: Callable[[float | None], str],
    about: str,
    columns: dict[str, Column],
    factor: float = 1.0,
    summed: bool = False,
) -> Quantity[Row]:
    """Return a quantity of a method's step and answers, which is measured once."""
    quantity = Quantity(name, unit, read, written(worded, factor), about, columns, "measured", summed=summed)
    return quantity.of(lambda row: row.measured)


def _mean(quantity: Quantity[FittedAdapter]) -> Quantity[Row]:
    """Return the mean over all adapters of a method."""

    def adapters(row: Row) -> Iterator[tuple[FittedAdapter]]:
        yield from ((cell,) for cell in row.cells)

    return quantity.over(adapters)


_SLOWDOWN: Quantity[MeasuredCost] = Quantity(
    "slowdown",
    "share",
    lambda cost: cost.inference_ms / cost.bare_inference_ms - 1 if cost.bare_inference_ms else None,
    written(slowdown),
    "how much longer an answer takes than the bare backbone's; negative where it is faster",
    _costs("against the bare backbone", short="answering"),
)
SCORE: Quantity[Row] = _TEST.reported(lambda row: row.score)
PARAMETERS = _mean(_TRAINED)
STEP_MEMORY = _measured(
    "step_mb",
    "MB",
    lambda cost: cost.step_mb,
    megabytes,
    "what a training step needs beyond the model itself, measured once",
    {**_costs("step memory", "MB"), "summary": Column("step memory")},
    summed=True,
)
METHOD: tuple[Quantity[Row], ...] = (  # in the order of the tables' columns
    SCORE,
    _mean(_VALIDATION),
    PARAMETERS,
    _mean(_SECONDS),
    _mean(_PEAK),
    STEP_MEMORY,
    _mean(_STORED),
    _measured(
        "forward_seconds_per_token",
        "s",
        lambda cost: cost.forward_seconds_per_token,
        decimals(1),
        "forward pass of a training step",
        _costs("forward, µs a token", rare=True),
        factor=1e6,
    ),
    _measured(
        "backward_seconds_per_token",
        "s",
        lambda cost: cost.backward_seconds_per_token,
        decimals(1),
        "backward pass of a training step",
        _costs("backward, µs a token", rare=True),
        factor=1e6,
    ),
    _measured(
        "inference_ms",
        "ms",
        lambda cost: cost.inference_ms,
        decimals(2),
        "the adapted model's forward pass, an example",
        _costs("answer, ms", rare=True),
        summed=True,
    ),
    _measured(
        "merged_inference_ms",
        "ms",
        lambda cost: cost.merged_inference_ms,
        decimals(2),
        "the same with the update written into the backbone's weights",
        _costs("merged, ms", rare=True),
    ),
    _SLOWDOWN.of(lambda row: row.measured),
    *map(_mean, _SPENT),
)
DECLARED = (Declared("methods.LABEL", METHOD, "TASK"),)
