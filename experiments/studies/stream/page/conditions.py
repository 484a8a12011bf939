"""Under which conditions the numbers of a stream came about: what was equal and what was not, and definitions."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.cells import decimals, quantity, words
from adapter_workbench.experiments.reporting.equality import not_equal
from adapter_workbench.experiments.reporting.presentation import Column, Definitions, Medium, Table
from adapter_workbench.experiments.reporting.provenance_tags import rerun_block
from adapter_workbench.experiments.reporting.shown import Shown, table
from adapter_workbench.experiments.reporting.wording import DASH, baselines, settings, share, unit
from adapter_workbench.experiments.studies.core.closing import checked
from adapter_workbench.experiments.studies.core.data_sources import data_table, used
from adapter_workbench.experiments.studies.core.quantity import shown_in
from adapter_workbench.experiments.studies.core.tuning_table import tuning_table
from adapter_workbench.experiments.studies.stream.page.tables import LABEL
from adapter_workbench.experiments.studies.stream.plan.entry import TUNED_ON
from adapter_workbench.experiments.studies.stream.results.quantities import STRATEGY
from adapter_workbench.workbench.measures.forgetting import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.presentation import Block, Cell
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport

BEFORE = (
    (
        "R[i, j]",
        "score on the test split of task j after stage i; stage 0 is before any task, T the number of tasks, j counts "
        "them in the order in which they were learned",
    ),
)
AFTER = (
    (
        "replication",
        "one seed with one order of the stream; a seed counts once, with the mean over its orders",
    ),
    (
        "interval over replications",
        "of a score: mean ± t(0.975, n−1) · s ÷ √n over n seeds, what another training would change; of a difference: "
        "that of its test",
    ),
    (
        "interval over examples",
        "2.5 % to 97.5 % of 10,000 paired resamples of each test split: what another test split would change, with the "
        "models as they are",
    ),
    (
        "p",
        "two-sided t-test over seeds, adjusted for the number of comparisons in a family (Holm 1979): all "
        "strategies against the reference "
        "or all other pairs; for average accuracy its variance is that of seeds and of test examples, summed "
        "(Satterthwaite 1946). Higher or lower: p below 0.05",
    ),
    (
        "equal, undecided",
        "equal: smaller than the margin that the recipe declares, by two one-sided tests at 0.05 (Schuirmann 1987) "
        "with the same variance. Undecided: neither higher, lower nor equal",
    ),
)
VALIDATION = (
    "single-task validation",
    "what a learning rate is picked by: the score on the validation splits of the tasks where it was tried, or, where "
    "none was tried, right after stage 1, when nothing else had been learned, mean over replications",
)


def conditions(report: Report) -> Iterator[Block]:
    """Yield the blocks that close the page."""
    record = report.record
    yield from checked(report)
    yield _equal(report)
    if len(report.strategies) > 1:
        yield not_equal(report.unequal, record.reference, report.controls)
    yield _settings_of_each(report)
    if record.tunings:
        yield _tuned(report)
    yield _stream(report)
    if record.order_shown:
        yield Definitions("", [*_orders(record)])
    yield from data_table(record.data_sources)
    yield rerun_block(record.provenance)
    formulas = [(metric.name.replace("_", " "), metric.formula) for metric in METRICS]
    yield Definitions("Definitions", (*BEFORE, *formulas, *AFTER, *([VALIDATION] if report.frontier else [])))


def _equal(report: Report) -> Definitions:
    record = report.record
    shared = {
        "backbone": record.backbone,
        "scenario": record.scenario,
        **({} if record.overlap is None else {"examples that other stages bring": share(record.overlap)}),
        "seeds": ", ".join(map(str, record.seeds)),
        "orders of the stream": "one for each seed" if record.order_per_seed else str(len(record.orders)),
        **used(record.budget, record.precision),
    }
    note = "Every strategy had the same training, validation and test examples of each task, and all of this:"
    return Definitions("What was equal", [*shared.items()], note)


def _orders(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what to call each order, and its tasks."""
    for index, tasks in enumerate(record.orders):
        own = f", of seed {record.seeds[index]}" if record.order_per_seed else "" if index else ", the recipe's own"
        yield f"order {index}{own}", " → ".join(tasks)


def _settings_of_each(report: Report) -> Table:
    left = partial(Column, left=True)
    return table(
        "settings",
        "How each strategy learns",
        report.strategies,
        [
            LABEL,
            Shown(left("how it learns the stream"), lambda strategy: words(strategy.entry.strategy)),
            Shown(left("method"), lambda strategy: words(strategy.entry.method)),
            Shown(left("learning rate"), _rate),
            Shown(left("other settings"), lambda strategy: words(_settings(strategy))),
            *shown_in("settings", STRATEGY),
            Shown(left("S[j] from"), lambda strategy: words(strategy.single or DASH)),
            Shown(left("J[j] from"), lambda strategy: words(strategy.joint or DASH)),
        ],
        media=Medium.PAGE,
    )


def _tuned(report: Report) -> Table:
    record = report.record
    tasks = ", ".join(record.tasks[:TUNED_ON])
    return tuning_table(
        [Shown(Column("strategy"), lambda searched: words(searched[0]))],
        record.tunings.items(),
        lambda searched: searched[1],
        f"Validation score in {unit(record.kinds).words} of the method alone, mean over {tasks}, with a seed that is "
        "not compared. The first is the entry's own rate; the best one was taken, whatever it does to forgetting.",
    )


def _rate(strategy: StrategyReport) -> Cell:
    return quantity(strategy.entry.settings.get("learning_rate"), lambda rate: DASH if rate is None else f"{rate:.3g}")


def _settings(strategy: StrategyReport) -> str:
    own = {name: value for name, value in strategy.entry.settings.items() if name != "learning_rate"}
    chosen = [
        f"{name} chosen on validation, stage by stage with the first seed: {values}"
        for name, values in strategy.choices.items()
    ]
    return "; ".join([settings(own), *chosen])


def _stream(report: Report) -> Table:
    record = report.record
    constant = f"{baselines(record.kinds.values())}{', %' if unit(record.kinds).sign else ''}"

    unnumbered = record.examined or record.order_per_seed

    def named(index: int) -> Cell:
        return words(record.tasks[index] if record.examined else f"{index + 1} · {record.tasks[index]}")

    def majority(index: int) -> Cell:
        score = record.majority[index]
        return quantity(score if math.isfinite(score) else None)

    return table(
        "stream",
        "The stream",
        range(len(record.tasks)),
        [
            Shown(Column("task" if unnumbered else "stage and task"), named),
            Shown(Column("test examples"), lambda index: quantity(record.test_sizes[index], decimals(0))),
            Shown(Column(constant), majority),
        ],
        media=Medium.PAGE,
    )
