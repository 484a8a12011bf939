"""What is reported of one strategy, over all its replications."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.replications import over_replications
from adapter_workbench.experiments.studies.stream.results.replication_report import mean_grid, shared_statuses
from adapter_workbench.experiments.studies.stream.results.unlearned import just_learned
from adapter_workbench.experiments.studies.stream.work.stage_outcome import STATUSES
from adapter_workbench.workbench.measures.forgetting import METRICS
from adapter_workbench.workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.stream.plan.entry import Entry
    from adapter_workbench.experiments.studies.stream.results.replication_report import (
        Grid,
        ReplicationReport,
        Statuses,
    )
    from adapter_workbench.experiments.studies.stream.results.unlearned import Unlearned
    from adapter_workbench.workbench.measures.statistics import Interval


@dataclass(frozen=True)
class ProbeSeries:
    """One quantity of one probe."""

    last: Interval  # after the last stage, over replications
    stages: tuple[float | None, ...]  # at each stage 0..T, the mean over seeds, of the replications that matrices show

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, stages}``."""
        return {**self.last.as_json(), "stages": list(self.stages)}


@dataclass(frozen=True)
class StrategyReport:
    """One entry of a recipe's ``strategies``."""

    entry: Entry  # label, strategy, method and settings, as the recipe has them
    replications: tuple[ReplicationReport, ...]  # one report each, all orders of the first seed first
    tasks: tuple[str, ...]  # the stream in the recipe's own order
    single: str | None  # label of the entry that S[j] comes from
    joint: str | None  # label of the entry that J[j] comes from
    # from the reference by metric; empty for the reference itself, and where nothing is compared
    differences: Mapping[str, Difference]
    unlearned: tuple[Unlearned, ...] = ()  # the tasks of which a replication learned nothing, or next to nothing

    @property
    def label(self) -> str:
        """The name that the recipe gives it."""
        return self.entry.label

    @property
    def title(self) -> str:
        """What a sentence calls it: the title that the recipe gives it, else its label."""
        return self.entry.title or self.label

    def against(self, reference: str) -> str:
        """Return the label of what it is compared with: the recipe's ``reference`` unless its entry names another."""
        return self.entry.against or reference

    @cached_property
    def matrix(self) -> Grid:
        """R (T + 1, T), mean over the seeds that measured a cell: a column is a task, in the recipe's own order."""
        return mean_grid(self.grids)

    @cached_property
    def grids(self) -> tuple[Grid, ...]:
        """The same of each seed."""
        return tuple(replication.by_task(self.tasks) for replication in self.one_a_seed)

    @property
    def statuses(self) -> Statuses:
        """How each of those cells came about, the weakest over seeds."""
        return shared_statuses([replication.statuses_by_task(self.tasks) for replication in self.one_a_seed])

    @property
    def cells(self) -> dict[str, int]:
        """How many cells of all replications were measured, verified and carried."""
        counts = Counter(status for replication in self.replications for row in replication.statuses for status in row)
        return {status: counts[status] for status in STATUSES}

    @cached_property
    def metrics(self) -> dict[str, Interval]:
        """Mean and 95 % interval over replications, by name."""
        return self.after(self.last)

    @property
    def last(self) -> int:
        """The last stage."""
        return self.replications[0].last

    @cached_property
    def probes(self) -> dict[str, dict[str, ProbeSeries]]:
        """Every quantity that a probe reported, by probe and quantity."""
        measured = dict.fromkeys(
            (probe, quantity)
            for replication in self.replications
            for outcome in replication.outcomes
            for probe, quantities in outcome.probes.items()
            for quantity in quantities
        )
        series: dict[str, dict[str, ProbeSeries]] = {}
        for probe, quantity in measured:
            series.setdefault(probe, {})[quantity] = self._series(probe, quantity)
        return series

    @property
    def tests(self) -> int:
        """How often a task was tested right after it was learned, all replications together."""
        return sum(1 for run in self.replications for _ in just_learned(run.outcomes, self.entry.strategy))

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen on validation at each stage of the first replication, by hyper-parameter, in words."""
        outcomes = self.replications[0].outcomes
        names = dict.fromkeys(name for outcome in outcomes if outcome.trials > 1 for name in outcome.chosen)
        return {
            name: ", ".join(f"{outcome.chosen[name]:g}" for outcome in outcomes if name in outcome.chosen)
            for name in names
        }

    @property
    def one_a_seed(self) -> tuple[ReplicationReport, ...]:
        """The replications that matrices and curves show: in the recipe's own order, or of each seed in its own."""
        first: dict[int, ReplicationReport] = {}
        for replication in self.replications:
            first.setdefault(replication.seed, replication)
        return tuple(first.values())

    @property
    def finished(self) -> int:
        """Finished stages, all replications together."""
        return sum(replication.finished for replication in self.replications)

    @property
    def planned(self) -> int:
        """Stages of the recipe, all replications together."""
        return sum(replication.planned for replication in self.replications)

    def over(self, read: Callable[[ReplicationReport], float | None]) -> Interval:
        """Return mean and 95 % interval of what ``read`` gives of each replication."""
        return over_replications(map(read, self.replications), [replication.seed for replication in self.replications])

    def after(self, stage: int) -> dict[str, Interval]:
        """Return the metrics as if the stream had ended after ``stage``."""

        def metric(name: str) -> Interval:
            return self.over(lambda replication: replication.metrics_by_stage[stage - 1][name])

        return {entry.name: metric(entry.name) for entry in METRICS}

    def _series(self, probe: str, quantity: str) -> ProbeSeries:
        last = self.last
        means = tuple(
            interval(replication.probed(probe, quantity, stage) for replication in self.one_a_seed).mean
            for stage in range(last + 1)
        )
        return ProbeSeries(self.over(lambda replication: replication.probed(probe, quantity, last)), means)
