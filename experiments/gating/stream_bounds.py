"""Bounds on an experiment with a stream: what its strategies may forget, and how well they have to do at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from adapter_workbench.experiments.gating.gate import Check, Gate, require_number, require_percent
from adapter_workbench.experiments.reporting.replications import over_replications
from adapter_workbench.experiments.studies import STUDIES, report_on, study_of
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.gate import Limit
    from adapter_workbench.experiments.studies.stream.results.report import Report
    from adapter_workbench.experiments.studies.stream.results.strategy_report import StrategyReport
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.measures.statistics import Interval

AT_ONCE = "joint"  # the strategy that learns all tasks at once, and so cannot forget


@dataclass(frozen=True)
class StreamBounds:
    """What may be asked of a stream.

    Attributes:
        max_forgetting: points; the metric ``forgetting`` of the report.
        max_forgetting_of: the same for single tasks, by name.
        min_average: percent; the metric ``average_accuracy`` of the report.
        strategies: labels of those that are checked; all where it is empty, except that forgetting is not asked of
            joint training then.
        whole_interval: whether the whole 95 % interval has to hold, not the mean alone.
    """

    max_forgetting: float | None = None
    max_forgetting_of: Mapping[str, float] = field(default_factory=dict)
    min_average: float | None = None
    strategies: tuple[str, ...] = ()
    whole_interval: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant; raises InputError."""
        if self.max_forgetting is not None:
            require_number(self.max_forgetting, "--max-forgetting")
        for bound in self.max_forgetting_of.values():
            require_number(bound, "--max-forgetting-of")
        require_percent(self.min_average, "--min-average")

    @property
    def asked(self) -> bool:
        """Whether there is any bound."""
        return self.max_forgetting is not None or bool(self.max_forgetting_of) or self.min_average is not None


def gate_experiment(workspace: Workspace, experiment: str, bounds: StreamBounds) -> Gate:
    """Check bounds on an experiment, by what the workspace holds; no model is needed.

    Raises:
        UnknownNameError: no such experiment, strategy or task.
        InputError: it is not a stream, or what is asked for is not finished.
        IntegrityError: a file that its report is made of is damaged or missing.
    """
    record = workspace.records.require(experiment)
    if study_of(record.study, str(workspace.experiment(experiment))) is not STUDIES.get("stream"):
        hint = "An adapter that came out of it has bounds of its own: workbench gate ID --min-score X"
        raise InputError("this experiment is not a stream: it has no forgetting", where=experiment, hint=hint)
    return gate_report(cast("Report", report_on(experiment, record, workspace, brief=True)), bounds)


def gate_report(report: Report, bounds: StreamBounds) -> Gate:
    """Check bounds on the report of a stream; raises UnknownNameError and InputError as :func:`gate_experiment`."""
    experiment = report.record.experiment
    _require_tasks(report, bounds)
    strategies = _strategies(report, bounds.strategies)
    if late := [
        f"{strategy.label} {strategy.finished} of {strategy.planned} stages"
        for strategy in strategies
        if not _done(strategy)
    ]:
        hint = f"Go on with it: {report.record.provenance.get('command') or 'workbench run RECIPE'}"
        raise InputError(f"it is not finished: {', '.join(late)}", where=experiment, hint=hint)
    checks = tuple(check for strategy in strategies for check in _checks(strategy, bounds))
    if not checks:
        hint = f"Bound its average with --min-average, or name it: --strategy {strategies[0].label}"
        raise InputError("its only strategy is joint training, which cannot forget", where=experiment, hint=hint)
    return Gate("experiment", experiment, checks)


def _done(strategy: StrategyReport) -> bool:
    return all(replication.complete for replication in strategy.replications)


def _require_tasks(report: Report, bounds: StreamBounds) -> None:
    """Raise where a bound is on a task that is not in the stream, or of which nothing can be forgotten."""
    tasks = report.record.tasks
    for task in bounds.max_forgetting_of:
        if task not in tasks:
            raise UnknownNameError("task", task, tasks, "--max-forgetting-of")
        if all(order[-1] == task for order in report.record.orders):
            message = f"{task!r} is learned last: no later task could make a strategy forget it"
            raise InputError(message, where="--max-forgetting-of")


def _strategies(report: Report, labels: tuple[str, ...]) -> list[StrategyReport]:
    by_label = {strategy.label: strategy for strategy in report.strategies}
    for label in labels:
        if label not in by_label:
            raise UnknownNameError("strategy", label, by_label, "--strategy")
    return [by_label[label] for label in labels or by_label]


def _checks(strategy: StrategyReport, bounds: StreamBounds) -> Iterator[Check]:
    """Yield the checks of one strategy."""
    label, whole = strategy.label, bounds.whole_interval
    if bounds.min_average is not None:
        average = strategy.metrics["average_accuracy"]
        yield _check(f"average score of {label}", "at least", bounds.min_average, average, whole)
    if strategy.entry.strategy == AT_ONCE and not bounds.strategies:
        return
    if bounds.max_forgetting is not None:
        forgotten = strategy.metrics["forgetting"]
        yield _check(f"forgetting of {label}", "at most", bounds.max_forgetting, forgotten, whole)
    for task, bound in bounds.max_forgetting_of.items():
        forgotten = _forgetting_of(strategy, task)
        yield _check(f"forgetting of {label} on {task}", "at most", bound, forgotten, whole)


def _check(what: str, limit: Limit, bound: float, shares: Interval, whole: bool) -> Check:
    """Return a check of shares over replications; what one of them lacks is not known, since a mean would hide it."""
    if shares.mean is None or None in shares.values:
        return Check(what, limit, bound, None, note="not measured")
    interval = None if shares.low is None or shares.high is None else (100 * shares.low, 100 * shares.high)
    note = "no interval: one seed" if whole and interval is None else ""
    return Check(what, limit, bound, 100 * shares.mean, interval, whole, note)


def _forgetting_of(strategy: StrategyReport, task: str) -> Interval:
    """Return what was forgotten of one task, over the replications that learn another task after it."""
    later = [replication for replication in strategy.replications if task in replication.earlier]
    lost = [replication.forgotten[task] for replication in later]
    return over_replications(lost, [replication.seed for replication in later])
