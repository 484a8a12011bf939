"""The report on a candidate beside the champion: data, which a terminal, a page, JSON and MLflow show."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.gating.candidate.by_label import LabelComparison, compare_labels
from adapter_workbench.experiments.gating.candidate.changed_answers import MOST, Flips, flips_of
from adapter_workbench.experiments.gating.candidate.comparison import MARGIN, GroupComparison, compare
from adapter_workbench.experiments.gating.candidate.sentences import evidence, remarks, verdict
from adapter_workbench.experiments.gating.gate import refusal
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes.calibration import calibration_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.experiments.gating.candidate.mapped_answers import Answers
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.gating.gate import Gate
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter


@dataclass(frozen=True)
class AnswerCalibration:
    """How far confidence is from accuracy, on test rows whose label the champion can give; None for no row.

    Attributes:
        ece: expected calibration error (:mod:`adapter_workbench.workbench.probes.calibration`), in [0, 1].
        confidence: its mean.
        accuracy: share of right answers.
    """

    ece: float | None
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class TrainingCost:
    """What an adapter cost; None for what is not known of one that another program trained.

    Attributes:
        seconds: of its training.
        steps: of the optimiser.
        trainable_parameters: that were trained, the head included.
        bytes: of its folder.
        way: by which it was made: its method, and for an update also the way to it.
    """

    seconds: float | None
    steps: int | None
    trainable_parameters: int | None
    bytes: int
    way: str


@dataclass(frozen=True)
class CandidateReport:
    """A candidate beside the champion, on test rows of the candidate's version.

    Attributes:
        task: its name.
        versions: names of the two versions of the task.
        champion: id of its adapter.
        candidate: id of the other.
        identities: SHA-256 of all that determines the answers of both.
        metric: the main score, which groups compare.
        groups: comparisons on groups of rows.
        labels: comparisons of single labels.
        flips: rows on which one of the two is right.
        calibration: of both.
        costs: of both.
        relabelled: how many old test rows have another label now.
        without_label: how many test rows the champion answers with a label that was retired or split.
        gate: bounds on validation rows; None where none was asked.
    """

    task: str
    versions: tuple[str, str]
    champion: str
    candidate: str
    identities: tuple[str, str]
    metric: str
    groups: tuple[GroupComparison, ...]
    labels: tuple[LabelComparison, ...]
    flips: Flips
    calibration: tuple[AnswerCalibration, AnswerCalibration]
    costs: tuple[TrainingCost, TrainingCost]
    relabelled: int
    without_label: int
    gate: Gate | None = None

    def with_gate(self, gate: Gate | None) -> CandidateReport:
        """Return the report with the bounds that were asked."""
        return replace(self, gate=gate)

    @property
    def verdict(self) -> str:
        """What came out, in a few sentences: the planned comparisons, and each label that the champion cannot give."""
        return verdict(self.groups)

    @property
    def evidence(self) -> list[str]:
        """The tests behind the verdict, and the negative flip rate."""
        return evidence(self.groups, self.flips)

    @property
    def remarks(self) -> list[str]:
        """What has to be known to read the numbers."""
        return [*remarks(self.labels, self.relabelled, self.without_label)]

    @property
    def refusal(self) -> str:
        """Why the candidate must not answer: each broken bound with what was found; nothing where all hold."""
        return refusal(self.gate.checks if self.gate else ())

    def as_json(self, most: int = MOST) -> dict[str, Any]:
        """Return the document of ``workbench adapters compare --json``, with ``most`` flips of either kind."""
        sides = ("champion", "candidate")
        return {
            "task": self.task,
            "versions": dict(zip(sides, self.versions, strict=True)),
            "champion": self.champion,
            "candidate": self.candidate,
            "metric": self.metric,
            "margin": 100 * MARGIN,
            "verdict": self.verdict,
            "groups": {group.name: group.as_json() for group in self.groups},
            "labels": [label.as_json() for label in self.labels],
            "flips": self.flips.as_json(most),
            "calibration": {side: asdict(of) for side, of in zip(sides, self.calibration, strict=True)},
            "cost": {side: asdict(of) for side, of in zip(sides, self.costs, strict=True)},
            "relabelled": self.relabelled,
            "answers_without_a_label": self.without_label,
            "gate": self.gate and self.gate.as_json(),
        }


def report_on(
    champion: StoredAdapter, candidate: StoredAdapter, versions: VersionPair, rows: JudgedRows
) -> CandidateReport:
    """Return the report on answers to the test split.

    Args:
        champion: as it is stored.
        candidate: as it is stored.
        versions: of the task, that the two were trained on.
        rows: the test rows, with both answers.
    """
    return CandidateReport(
        task=candidate.manifest.task.name,
        versions=versions.names,
        champion=champion.id,
        candidate=candidate.id,
        identities=(champion.identity, candidate.identity),
        metric=KINDS.get(versions.task.kind).metric,
        groups=compare(rows),
        labels=compare_labels(rows, versions.labels, versions.known),
        flips=flips_of(rows),
        calibration=(
            _calibration(rows.champion, rows.champion_right, rows.known),
            _calibration(rows.candidate, rows.candidate_right, rows.known),
        ),
        costs=(_cost(champion), _cost(candidate)),
        relabelled=len(versions.relabelled.intersection(rows.ids)),
        without_label=int((rows.champion.labels < 0).sum()),
    )


def _calibration(answers: Answers, right: NDArray[np.float64], known: NDArray[np.bool_]) -> AnswerCalibration:
    confidence, correct = answers.confidence[known], right[known]
    if not len(confidence):
        return AnswerCalibration(None, None, None)
    error = calibration_error(np.minimum(confidence, 1.0), correct)
    return AnswerCalibration(error, float(confidence.mean()), float(correct.mean()))


def _cost(stored: StoredAdapter) -> TrainingCost:
    fit, update = stored.manifest.fit, stored.manifest.update
    return TrainingCost(
        seconds=fit.seconds if fit else None,
        steps=fit.steps if fit else None,
        trainable_parameters=fit.trainable_parameters if fit else None,
        bytes=stored.bytes,
        way=f"{stored.manifest.method}, {update.way}" if update else stored.manifest.method,
    )
