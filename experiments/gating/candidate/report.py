"""The report on a candidate beside the champion: data, which a terminal, a page, JSON and MLflow show."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.gating.candidate.by_label import LabelComparison, compare_labels
from adapter_workbench.experiments.gating.candidate.changed_answers import MOST, Flips, flips_of
from adapter_workbench.experiments.gating.candidate.comparison import MARGIN, NEW, OLD, GroupComparison, compare, named
from adapter_workbench.experiments.gating.gate import refusal
from adapter_workbench.experiments.reporting.differences import equal_in_words
from adapter_workbench.experiments.reporting.wording import adjusted_in_words, bounds, number, plural, probability
from adapter_workbench.workbench.measures.verdicts import LEVEL
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.probes.calibration import calibration_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.experiments.gating.candidate.mapped_answers import Answers
    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.gating.gate import Gate
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.measures.statistics import Interval

MOST_LABELS = 3  # that the champion cannot give, with a sentence each


@dataclass(frozen=True)
class AnswerCalibration:
    """How far confidence is from accuracy, on test rows whose label the champion can give; None for no row."""

    ece: float | None  # expected calibration error (`probes.calibration`), in [0, 1]
    confidence: float | None  # its mean
    accuracy: float | None  # share of right answers


@dataclass(frozen=True)
class TrainingCost:
    """What an adapter cost; None for what is not known of one that another program trained."""

    seconds: float | None  # of its training
    steps: int | None  # of the optimiser
    trainable_parameters: int | None  # that were trained, the head included
    bytes: int  # of its folder
    way: str  # by which it was made: its method, and for an update also the way to it


@dataclass(frozen=True)
class CandidateReport:
    """A candidate beside the champion, on test rows of the candidate's version."""

    task: str  # its name
    versions: tuple[str, str]  # names of the two versions of the task
    champion: str  # id of its adapter
    candidate: str  # id of the other
    identities: tuple[str, str]  # SHA-256 of all that determines the answers of both
    metric: str  # the main score, which groups compare
    groups: tuple[GroupComparison, ...]  # comparisons on groups of rows
    labels: tuple[LabelComparison, ...]  # comparisons of single labels
    flips: Flips  # rows on which one of the two is right
    calibration: tuple[AnswerCalibration, AnswerCalibration]  # of both
    costs: tuple[TrainingCost, TrainingCost]  # of both
    relabelled: int  # how many old test rows have another label now
    without_label: int  # how many test rows the champion answers with a label that was retired or split
    gate: Gate | None = None  # bounds on validation rows; None where none was asked

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


# What came out of a comparison of a candidate with the champion, in sentences that a layman reads first.


def verdict(groups: Sequence[GroupComparison]) -> str:
    """Return what the planned comparisons say, and how each label is answered that the champion cannot give."""
    planned = [group for name in (OLD, NEW) if (group := named(groups, name)) and group.verdict]
    sentences = [_sentence(group) for group in planned]
    if not sentences:
        sentences = ["No test row has a label that the champion can give, so nothing can be compared."]
    return " ".join([*sentences, *_unknown(groups)])


def evidence(groups: Sequence[GroupComparison], flips: Flips) -> list[str]:
    """Return the tests behind the verdict, one line for each planned comparison, and the flips."""
    lines = [_test(group) for group in groups if group.verdict]
    if flips.negative_rate is not None:
        lines.append(
            f"Negative flip rate on old rows: {number(flips.negative_rate)} % ({flips.lost_on_old} of "
            f"{flips.old_rows:,} were right and are wrong now); the other way round: {flips.won_on_old}."
        )
    return lines


def remarks(labels: Sequence[LabelComparison], relabelled: int, without_label: int) -> Iterator[str]:
    """Yield what has to be known to read the numbers."""
    if unknown := [label for label in labels if label.champion is None]:
        listed = ", ".join(f"{label.label} ({label.note})" for label in unknown)
        yield f"The champion cannot give these labels, so it has no score on their rows: {listed}."
    if relabelled:
        counted = f"{plural(relabelled, 'old test row')} {'has' if relabelled == 1 else 'have'}"
        yield f"{counted} another label now: a score on them is not what it was."
    if without_label:
        yield (
            f"The champion answers {plural(without_label, 'test row')} with a label that is retired or split. "
            "Where another label is right, this counts as wrong."
        )


def _sentence(group: GroupComparison) -> str:
    assert group.verdict is not None
    word = {
        "higher": "higher",
        "lower": "lower",
        "equal": equal_in_words(MARGIN),
        "undecided": "undecided which is better",
    }[group.verdict.word]
    return (
        f"{_begun(group)}: the candidate has {_share(group.candidate)}, the champion {_share(group.champion)}: {word}."
    )


def _unknown(groups: Sequence[GroupComparison]) -> list[str]:
    unknown = [group for group in groups if group.name.startswith("label:")]
    words = [
        f"{_begun(group)}: {_share(group.candidate_on_all)} of {plural(group.rows, 'row')}."
        for group in unknown[:MOST_LABELS]
    ]
    return words if len(unknown) <= MOST_LABELS else [*words, f"{len(unknown) - MOST_LABELS} more labels are new."]


def _test(group: GroupComparison) -> str:
    assert group.verdict is not None
    assert group.difference is not None
    decided, limits = group.verdict, bounds(group.difference)
    equal = decided.word == "equal"
    test = "two one-sided tests of the margin" if equal else "McNemar's test"
    chance = probability(decided.p_equal if equal else decided.p, LEVEL)
    family = adjusted_in_words(decided.family)
    gap = f"{number(group.difference.mean, signed=True)} points, 95 % interval {limits}"
    return f"{_begun(group)} ({group.compared:,}): {gap}; {test}, {chance}{family}."


def _begun(group: GroupComparison) -> str:
    return f"{group.title[:1].upper()}{group.title[1:]}"


def _share(score: Interval | None) -> str:
    return f"{number(score.mean if score else None)} %"
