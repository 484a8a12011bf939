"""The report on a training elsewhere: its stages, what each task lost, and what measuring took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.wording import bounds, number, plural
from adapter_workbench.experiments.studies.core.report import StudyReport
from adapter_workbench.experiments.studies.watched.record import START
from adapter_workbench.workbench.measures.statistics import finite

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.studies.watched.change import ScoreChange
    from adapter_workbench.experiments.studies.watched.record import WatchedRecord, WatchedStage

LABEL = "training"  # of the one entry, in the JSON document
ONE_TRAINING = "This is one training: another one of the same recipe may forget more or less."


@dataclass(frozen=True)
class WatchedReport(StudyReport):
    """What a training did to the tasks that it was watched on."""

    study: ClassVar[str] = "watched"
    record: WatchedRecord
    changes: tuple[ScoreChange, ...]  # of each task that was measured at the first stage and at the last one

    @property
    def verdict(self) -> str:  # type: ignore[override]  # it is made of the changes
        """What came out, in sentences."""
        if not self.changes:
            return f"Nothing is compared: the model was measured once ({self.record.reference})."
        sentences = [self._changed(reading) for reading in ("lost", "gained", "undecided")]
        compared = [*self._stopped(), *self._begun(), *(sentence for sentence in sentences if sentence)]
        return " ".join([*compared, ONE_TRAINING])

    def _changed(self, reading: str) -> str:
        words = {"lost": "Lost", "gained": "Gained", "undecided": "Not decided"}
        rows = [_in_words(change) for change in self.changes if change.reading == reading]
        return f"{words[reading]}: {'; '.join(rows)}." if rows else ""

    def _stopped(self) -> list[str]:
        return [
            f"The training was stopped at step {stage.step}: {', '.join(stage.beyond)} lost more than {_bound(stage)}."
            for stage in self.record.stages
            if stage.beyond
        ]

    def _begun(self) -> list[str]:
        reference = self.record.reference
        return [] if reference == START else [f"Compared with {reference}: how the training began is not recorded."]

    @property
    def seconds(self) -> float:
        """What all measuring took."""
        return sum(stage.seconds for stage in self.record.stages)

    @property
    def time_share(self) -> float | None:
        """The share of all the time that measuring took; None before anything was trained."""
        training = self.record.stages[-1].training_seconds if self.record.stages else 0.0
        return self.seconds / (self.seconds + training) if training else None

    @property
    def declared(self) -> dict[str, Difference]:
        """Nothing: no recipe declares a comparison."""
        return {}

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """Nothing: there is one training."""
        return {}

    @property
    def facts(self) -> tuple[str, ...]:
        """What was measured, in a few words each."""
        record = self.record
        rows = sorted({*record.test_sizes.values()})
        asked = f"{rows[0]:,}" if len(rows) == 1 else f"{rows[0]:,} to {rows[-1]:,}"
        return f"trained by {record.trainer}", plural(record.done, "stage"), f"{asked} test examples a task"

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``: as of a stream, with one entry; scores in [0, 1]."""
        record = self.record
        about = record.about()
        named = ("description", "backbone", "seeds", "tasks", "trainer", "every", "max_forgetting", "answered")
        stages = [
            {
                "stage": index,
                "step": stage.step,
                "epoch": stage.epoch,
                "put_back": stage.put_back,
                "seconds": stage.seconds,
                "beyond": [*stage.beyond],
                "failed": dict(stage.failed),
                **({} if stage.text_loss is None else {"text_loss": finite(stage.text_loss)}),
            }
            for index, stage in enumerate(record.stages)
        ]
        entry = {
            "strategy": "watched",
            "matrix": record.matrix,
            "stages": stages,
            "changes": {change.task: change.as_json() for change in self.changes},
            "cost": {"measuring_seconds": self.seconds, "measuring_share": self.time_share},
        }
        return {
            "experiment": record.experiment,
            **{name: about.get(name) for name in named},
            "test_sizes": dict(record.test_sizes),
            "majority": dict(record.majority),
            "complete": self.complete,
            "provenance": dict(record.provenance),
            "verdict": self.verdict,
            "strategies": {LABEL: entry},
        }


def _in_words(change: ScoreChange) -> str:
    """Return ``TASK 90.1 → 85.0 (−5.1 points [−7.3, −3.0])``."""
    difference = -change.lost.mean if change.lost.mean else 0.0
    limits = bounds(change.lost, sign=-1)
    scores = f"{change.task} {number(change.before)} → {number(change.after)}"
    return f"{scores} ({' '.join(part for part in (number(difference, signed=True), 'points', limits) if part)})"


def _bound(stage: WatchedStage) -> str:
    return "the bound" if stage.bound is None else f"{stage.bound:g} points"
