"""What a strategy took, and what its probes found, over stages and seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.forgetting import Interval, interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.contracts import StageOutcome


@dataclass(frozen=True)
class CostSummary:
    """The cost of a whole stream, mean over seeds; None where nothing has finished.

    Attributes:
        train_seconds: wall time of all fits, validation included.
        evaluate_seconds: wall time of all cells of R.
        peak_memory_mb: highest of any stage, in MB; None also where the system does not tell.
        trainable_parameters: most numbers that an optimiser changed at one stage, head included.
        stored_bytes: what has to be kept after the last finished stage.
    """

    train_seconds: float | None
    evaluate_seconds: float | None
    peak_memory_mb: float | None
    trainable_parameters: float | None
    stored_bytes: float | None

    def as_json(self) -> dict[str, float | None]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True)
class ProbeSeries:
    """One quantity of one probe: over seeds after the last stage, and its mean over seeds at each stage 0..T."""

    last: Interval
    stages: tuple[float | None, ...]

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, stages}``."""
        return {**self.last.as_json(), "stages": list(self.stages)}


def total_cost(seeds: Iterable[Sequence[StageOutcome]]) -> CostSummary:
    """Return the cost of a stream from each seed's outcomes, in the order of the stages."""
    started = [outcomes for outcomes in seeds if outcomes]

    def mean(values: Iterable[float | None]) -> float | None:
        return interval(values).mean

    return CostSummary(
        mean(sum(outcome.cost.train_seconds for outcome in outcomes) for outcomes in started),
        mean(sum(cell.seconds for outcome in outcomes for cell in outcome.cells) for outcomes in started),
        mean(max(_peaks(outcomes), default=None) for outcomes in started),
        mean(max(outcome.cost.trainable_parameters for outcome in outcomes) for outcomes in started),
        mean(outcomes[-1].cost.stored_bytes for outcomes in started),
    )


def probe_series(seeds: Sequence[Sequence[StageOutcome]], stages: int) -> dict[str, dict[str, ProbeSeries]]:
    """Return every quantity that a probe reported for a stream of ``stages`` tasks, by probe and quantity."""
    values = {
        (probe, quantity, outcome.stage, place): value
        for place, outcomes in enumerate(seeds)
        for outcome in outcomes
        for probe, quantities in outcome.probes.items()
        for quantity, value in quantities.items()
    }

    def at(probe: str, quantity: str, stage: int) -> Interval:
        return interval(values.get((probe, quantity, stage, place)) for place in range(len(seeds)))

    series: dict[str, dict[str, ProbeSeries]] = {}
    for probe, quantity in dict.fromkeys((probe, quantity) for probe, quantity, _, _ in values):
        means = tuple(at(probe, quantity, stage).mean for stage in range(stages + 1))
        series.setdefault(probe, {})[quantity] = ProbeSeries(at(probe, quantity, stages), means)
    return series


def _peaks(outcomes: Sequence[StageOutcome]) -> list[float]:
    return [outcome.cost.peak_memory_mb for outcome in outcomes if outcome.cost.peak_memory_mb is not None]
