"""What a strategy took, and what its probes found, over stages and replications."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from experiments.studies.stream.replications import over_replications
from workbench.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.studies.stream.replication_report import ReplicationReport
    from experiments.studies.stream.stage_outcome import StageOutcome
    from workbench.statistics import Interval


@dataclass(frozen=True)
class CostSummary:
    """The cost of a whole stream, mean over replications; None where nothing has finished.

    Attributes:
        train_seconds: wall time of all learning, validation and what a remedy does beside its fits included.
        evaluate_seconds: wall time of all cells of R.
        probe_seconds: wall time of all probes.
        peak_memory_mb: highest of any stage, in MB; None also where the system does not tell.
        trainable_parameters: most numbers that an optimiser changed at one stage, head included.
        stored_bytes: what has to be kept after the last finished stage.
    """

    train_seconds: float | None
    evaluate_seconds: float | None
    probe_seconds: float | None
    peak_memory_mb: float | None
    trainable_parameters: float | None
    stored_bytes: float | None

    @property
    def total_seconds(self) -> float | None:
        """Training, testing and probes together."""
        parts = (self.train_seconds, self.evaluate_seconds, self.probe_seconds)
        known = [part for part in parts if part is not None]
        return sum(known) if known else None

    @property
    def measuring(self) -> float | None:
        """What share of the whole time went to testing and probes."""
        total, trained = self.total_seconds, self.train_seconds
        return 1 - trained / total if total and trained is not None else None

    def as_json(self) -> dict[str, float | None]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class ProbeSeries:
    """One quantity of one probe.

    Attributes:
        last: after the last stage, over replications.
        stages: at each stage 0..T, the mean over seeds in the recipe's own order.
    """

    last: Interval
    stages: tuple[float | None, ...]

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, stages}``."""
        return {**self.last.as_json(), "stages": list(self.stages)}


def total_cost(replications: Iterable[Sequence[StageOutcome]]) -> CostSummary:
    """Return the cost of a stream from each replication's outcomes, in the order of the stages."""
    started = [outcomes for outcomes in replications if outcomes]

    def mean(values: Iterable[float | None]) -> float | None:
        return interval(values).mean

    return CostSummary(
        mean(sum(outcome.cost.train_seconds for outcome in outcomes) for outcomes in started),
        mean(sum(cell.seconds for outcome in outcomes for cell in outcome.cells) for outcomes in started),
        mean(sum(outcome.probe_seconds for outcome in outcomes) for outcomes in started),
        mean(max(_peaks(outcomes), default=None) for outcomes in started),
        mean(max(outcome.cost.trainable_parameters for outcome in outcomes) for outcomes in started),
        mean(outcomes[-1].cost.stored_bytes for outcomes in started),
    )


def probe_series(reports: Sequence[ReplicationReport], stages: int) -> dict[str, dict[str, ProbeSeries]]:
    """Return every quantity that a probe reported for a stream of ``stages`` tasks, by probe and quantity."""
    values = {
        (probe, quantity, outcome.stage, place): value
        for place, report in enumerate(reports)
        for outcome in report.outcomes
        for probe, quantities in outcome.probes.items()
        for quantity, value in quantities.items()
    }
    seeds = [report.seed for report in reports]

    def mean(probe: str, quantity: str, stage: int) -> float | None:
        own = [place for place, report in enumerate(reports) if report.order == 0]
        return interval(values.get((probe, quantity, stage, place)) for place in own).mean

    series: dict[str, dict[str, ProbeSeries]] = {}
    for probe, quantity in dict.fromkeys((probe, quantity) for probe, quantity, _, _ in values):
        last = over_replications((values.get((probe, quantity, stages, place)) for place in range(len(seeds))), seeds)
        means = tuple(mean(probe, quantity, stage) for stage in range(stages + 1))
        series.setdefault(probe, {})[quantity] = ProbeSeries(last, means)
    return series


def _peaks(outcomes: Sequence[StageOutcome]) -> list[float]:
    return [outcome.cost.peak_memory_mb for outcome in outcomes if outcome.cost.peak_memory_mb is not None]
