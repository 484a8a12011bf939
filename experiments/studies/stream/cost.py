"""What a strategy took, over stages and replications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from experiments.studies.stream.stage_outcome import StageOutcome


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
        measured = [part for part in parts if part is not None]
        return sum(measured) if measured else None

    @property
    def measuring(self) -> float | None:
        """What share of the whole time went to testing and probes."""
        total, trained = self.total_seconds, self.train_seconds
        return 1 - trained / total if total and trained is not None else None


def total_cost(replications: Iterable[Sequence[StageOutcome]]) -> CostSummary:
    """Return the cost of a stream from each replication's outcomes, in the order of the stages."""
    started = [outcomes for outcomes in replications if outcomes]

    def mean(read: Callable[[Sequence[StageOutcome]], float | None]) -> float | None:
        return interval(map(read, started)).mean

    def peak(outcomes: Sequence[StageOutcome]) -> float | None:
        peaks = (outcome.cost.peak_memory_mb for outcome in outcomes)
        return max((memory for memory in peaks if memory is not None), default=None)

    return CostSummary(
        train_seconds=mean(lambda outcomes: sum(outcome.cost.train_seconds for outcome in outcomes)),
        evaluate_seconds=mean(lambda outcomes: sum(cell.seconds for outcome in outcomes for cell in outcome.cells)),
        probe_seconds=mean(lambda outcomes: sum(outcome.probe_seconds for outcome in outcomes)),
        peak_memory_mb=mean(peak),
        trainable_parameters=mean(lambda outcomes: max(outcome.cost.trainable_parameters for outcome in outcomes)),
        stored_bytes=mean(lambda outcomes: outcomes[-1].cost.stored_bytes),
    )
