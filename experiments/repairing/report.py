"""What repairs bring back of a stream: retention over learning, before and after, beside doing nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any

from experiments.reporting.differences import in_family
from experiments.reporting.replications import over_replications, paired
from experiments.reporting.wording import number, share
from workbench.measures.statistics import mean_of_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.repairing.streams import LearnedStream
    from experiments.reporting.differences import Difference
    from experiments.workspace.repaired import Repaired
    from workbench.measures.statistics import Interval

NOTHING = "nothing"
METRICS = ("average_accuracy", "earlier_accuracy", "last_accuracy", "retention")


@dataclass(frozen=True)
class EntryReport:
    """The repairs of one entry of a recipe.

    Attributes:
        streams: the entry's replications.
        majority: task → M[j], the score of always giving the most frequent answer.
        repaired: repair → what it came to in each replication, in the order of ``streams``.
        refused: repair → why it cannot be done with these weights.
        step: by how much a test example changes an average over the tasks; None where that is not known.
    """

    streams: tuple[LearnedStream, ...]
    majority: Mapping[str, float]
    repaired: Mapping[str, tuple[Repaired, ...]]
    refused: Mapping[str, str]
    step: float | None = None

    @property
    def label(self) -> str:
        """The entry's own."""
        return self.streams[0].entry.label

    @cached_property
    def metrics(self) -> dict[str, dict[str, Interval]]:
        """Return each metric over replications, of doing nothing and of each repair.

        ``average_accuracy`` is the mean over all tasks, ``earlier_accuracy`` over all but the last, ``last_accuracy``
        that of the last task. ``retention`` is Σ_j (R′[T, j] − M[j]) ÷ Σ_j (R[j, j] − M[j]) over j < T, R′ after the
        repair: 1 where all that was learned is there, 0 where the answers are worth no more than the most frequent
        one; unknown where nothing was learned.
        """
        before = [stream.kept for stream in self.streams]
        after = {name: [outcome.scores for outcome in outcomes] for name, outcomes in self.repaired.items()}
        return {name: self._over(scores) for name, scores in {NOTHING: before, **after}.items()}

    @cached_property
    def gains(self) -> dict[str, Difference]:
        """Return how much higher the average accuracy is than with nothing done; the repairs are one family."""
        seeds = [stream.seed for stream in self.streams]
        differences = {}
        for name in self.repaired:
            pairs = zip(*(self.metrics[row]["average_accuracy"].values for row in (name, NOTHING)), strict=True)
            gaps = tuple(None if None in pair else pair[0] - pair[1] for pair in pairs)
            differences[name] = paired(gaps, seeds, self.step)
        return in_family(differences)

    @property
    def best(self) -> str | None:
        """The repair that validates best; None where that is doing nothing."""
        gained = {
            name: sum(outcome.validation - outcome.unrepaired for outcome in outcomes)
            for name, outcomes in self.repaired.items()
        }
        return max(gained, key=lambda name: gained[name]) if any(gain > 0 for gain in gained.values()) else None

    @property
    def verdict(self) -> str:
        """What came out, in a sentence."""
        if self.best is None:
            return f"{self.label}: no repair validates better than doing nothing."
        was, now = (self.metrics[name] for name in (NOTHING, self.best))
        average = " → ".join(number(metrics["average_accuracy"].mean) for metrics in (was, now))
        kept = " → ".join(share(metrics["retention"].mean) for metrics in (was, now))
        reading = self.gains[self.best].reading
        return (
            f"{self.label}: validation picks {self.best}. Average accuracy {average} ({reading}), "
            f"retention over learning {kept}."
        )

    @property
    def moved(self) -> dict[str, tuple[float, float]]:
        """Return task → its mean score before and after the best repair, of the tasks that it changes; most first."""
        if self.best is None:
            return {}
        pairs = [(old.kept, new.scores) for old, new in zip(self.streams, self.repaired[self.best], strict=True)]
        scores = {}
        for task in self.streams[0].learned:
            before, after = [old[task] for old, _ in pairs], [new[task] for _, new in pairs]
            if before != after:
                scores[task] = fmean(before), fmean(after)
        return dict(sorted(scores.items(), key=lambda item: -abs(item[1][1] - item[1][0])))

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares in [0, 1], and per replication what was chosen."""
        return {
            "strategy": self.streams[0].entry.strategy,
            "method": self.streams[0].entry.method,
            "replications": [{"seed": stream.seed, "order": stream.order} for stream in self.streams],
            "learned": [dict(stream.learned) for stream in self.streams],
            "best": self.best,
            NOTHING: self._row(NOTHING, [stream.kept for stream in self.streams]),
            "repairs": {
                name: {
                    **self._row(name, [outcome.scores for outcome in outcomes]),
                    "gain": self.gains[name].as_json(),
                    "chosen": [dict(outcome.chosen) for outcome in outcomes],
                    "attempts": [outcome.attempts for outcome in outcomes],
                    "validation": [{"before": outcome.unrepaired, "after": outcome.validation} for outcome in outcomes],
                    "seconds": [outcome.seconds for outcome in outcomes],
                }
                for name, outcomes in self.repaired.items()
            },
            "refused": dict(self.refused),
        }

    def _row(self, name: str, scores: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        metrics = {metric: interval.as_json() for metric, interval in self.metrics[name].items()}
        return {"metrics": metrics, "scores": [dict(by_task) for by_task in scores]}

    def _over(self, scores: Sequence[Mapping[str, float]]) -> dict[str, Interval]:
        seeds = [stream.seed for stream in self.streams]
        replications = [self._single(*pair) for pair in zip(self.streams, scores, strict=True)]
        return {metric: over_replications([values[metric] for values in replications], seeds) for metric in METRICS}

    def _single(self, stream: LearnedStream, scores: Mapping[str, float]) -> dict[str, float | None]:
        earlier = [task for task in stream.learned if task != stream.last]
        learned = sum(stream.learned[task] - self.majority[task] for task in earlier)
        remaining = sum(scores[task] - self.majority[task] for task in earlier)
        return {
            "average_accuracy": mean_of_known(scores.values()),
            "earlier_accuracy": mean_of_known(scores[task] for task in earlier),
            "last_accuracy": scores[stream.last],
            "retention": remaining / learned if learned > 0 else None,
        }


@dataclass(frozen=True)
class RepairReport:
    """The repairs of all entries that were asked for."""

    experiment: str
    tasks: tuple[str, ...]
    entries: tuple[EntryReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench repair --json``."""
        strategies = {entry.label: entry.as_json() for entry in self.entries}
        return {"experiment": self.experiment, "tasks": list(self.tasks), "strategies": strategies}
