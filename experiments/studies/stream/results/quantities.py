"""The quantities of a stream: what each stage took, and the metrics of forgetting; of a strategy, over replications."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import score, written
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import seconds, share
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.quantity import Quantity, Value, total
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.workbench.measures.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cost, StageOutcome
    from adapter_workbench.workbench.measures.forgetting import Metric

# what low forgetting may hide stands beside it: how well tasks were learned at all
MAIN = {
    "average_accuracy": "average",
    "learning_accuracy": "learned",
    "forgetting": "forgot",
    "backward_transfer": "backward",
    "intransigence": "intransigence",
}
BETTER = {metric.name: metric.better for metric in METRICS}
PAGE, TERMINAL = Medium.PAGE, Medium.TERMINAL
Values = Mapping[str, Value]  # metric → what it is after a stage: of a replication, or over all of them


def _metric(metric: Metric) -> Quantity[Values]:
    column = Column(metric.name.replace("_", " "), f"{metric.better} is better", short=MAIN.get(metric.name, ""))
    shown_in = "strategies" if metric.name in MAIN else "further-metrics"
    columns = {shown_in: column}

    def read(values: Values) -> Value:
        return values[metric.name]

    cell = partial(score, better=metric.better)
    return Quantity(metric.name, "share", read, cell, metric.formula, columns, "metrics", tracked="", summed=True)


METRIC = {metric.name: _metric(metric) for metric in METRICS}


def _cost(outcome: StageOutcome) -> Cost:
    return outcome.cost


_TRAINING: Quantity[StageOutcome] = fit.SECONDS.placed(
    {"cost": Column("training", unit="s")}, json="cost", tracked="cost"
).reported(lambda outcome: outcome.cost.train_seconds)
_TESTING: Quantity[StageOutcome] = Quantity(
    "evaluate_seconds",
    "s",
    lambda outcome: sum(cell.seconds for cell in outcome.cells),
    written(seconds),
    "wall time of all cells of R",
    {"cost": Column("testing", unit="s", media=PAGE)},
    json="cost",
    within=total,
)
_PROBES: Quantity[StageOutcome] = Quantity(
    "probe_seconds",
    "s",
    lambda outcome: outcome.probe_seconds,
    written(seconds),
    "wall time of all probes",
    {"cost": Column("probes", unit="s", media=PAGE)},
    json="cost",
    within=total,
)
_PEAK: Quantity[StageOutcome] = fit.PEAK_MEMORY.placed(
    {"cost": Column("peak memory", unit="MB", short="memory")}, json="cost"
).reported(lambda outcome: outcome.cost.peak_memory_mb)
_TRAINED: Quantity[StageOutcome] = fit.PARAMETERS.placed(
    {
        "strategies": Column("trainable parameters", media=PAGE),
        "settings": Column("trainable parameters", left=True),
        "cost": Column("trainable", media=TERMINAL),
    },
    json="cost",
).reported(lambda outcome: outcome.cost.trainable_parameters)
_STORED: Quantity[StageOutcome] = fit.STORED.placed(
    {
        "strategies": Column("stored", unit="MB", media=PAGE),
        "settings": Column("kept to answer for all tasks", unit="MB", left=True),
        "cost": Column("stored", unit="MB", media=TERMINAL),
    },
    json="cost",
    tracked="cost",
).of(_cost)
_SPENT = tuple(quantity.of(_cost) for quantity in fit.spent_in("cost"))
STAGE = (_TRAINING, _TESTING, _PROBES, _PEAK, _TRAINED, _STORED, *_SPENT)


def _whole(quantity: Quantity[StageOutcome]) -> Quantity[StrategyReport]:
    """Return the quantity of the whole stream, mean over the replications that have learned all of it."""

    def replications(strategy: StrategyReport) -> Iterator[tuple[StageOutcome, ...]]:
        yield from (replication.outcomes for replication in strategy.replications if replication.complete)

    return quantity.over(replications)


TRAINING, STORED = _whole(_TRAINING), _whole(_STORED)
TIMES = (TRAINING, _whole(_TESTING), _whole(_PROBES))


def _metrics(strategy: StrategyReport) -> Values:
    return strategy.metrics


def total_seconds(strategy: StrategyReport) -> float | None:
    """Return what training, testing and probes took together, as far as it is known."""
    known = [value for quantity in TIMES if (value := quantity.number(strategy)) is not None]
    return sum(known) if known else None


def measuring(strategy: StrategyReport) -> float | None:
    """Return what share of the whole time went to testing and probes."""
    whole, trained = total_seconds(strategy), TRAINING.number(strategy)
    return 1 - trained / whole if whole and trained is not None else None


COST: tuple[Quantity[StrategyReport], ...] = (  # in the order of the tables' columns
    *TIMES,
    Quantity(
        "measuring",
        "share",
        measuring,
        written(share),
        "what share of the whole time went to testing and probes",
        {"cost": Column("measuring")},
    ),
    _whole(_PEAK),
    _whole(_TRAINED),
    Quantity(
        "total_seconds",
        "s",
        total_seconds,
        written(seconds),
        "wall time of training, testing and probes",
        {"strategies": Column("time", unit="s", media=PAGE)},
    ),
    STORED,
    *map(_whole, _SPENT),
)
STRATEGY: tuple[Quantity[StrategyReport], ...] = (*(quantity.of(_metrics) for quantity in METRIC.values()), *COST)
FIRST = tuple(METRIC[name].of(_metrics) for name in MAIN)  # in the order in which a report is read
DECLARED = (Declared("strategies.LABEL", STRATEGY),)
