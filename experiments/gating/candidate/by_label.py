"""Champion and candidate label by label: precision, recall and F1 of both, rows that were lost and won, verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.gating.candidate.comparison import tested
from adapter_workbench.workbench.measures.label_counts import LabelScore, counts_of_pairs
from adapter_workbench.workbench.measures.paired_scores import drop
from adapter_workbench.workbench.measures.verdicts import verdicts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.experiments.gating.candidate.mapped_answers import Answers
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.measures.verdicts import Verdict


@dataclass(frozen=True)
class LabelComparison:
    """One label of the newest version."""

    label: str  # its name
    sources: tuple[str, ...]  # names of the champion's labels that it comes from; none for a new label
    champion: LabelScore | None  # its scores on rows whose label it can give; None where it cannot give this one
    candidate: LabelScore  # its scores on the same rows; for a label that the champion cannot give, on all rows
    lost: int | None  # how many rows of the label the champion has right and the candidate wrong; None as above
    won: int | None  # how many rows are the other way round
    # of recall, candidate − champion, with its 95 % interval, not adjusted; None as above, or for no row
    difference: Interval | None
    verdict: Verdict | None = None  # after Holm for all labels that the champion can give; None as above, or for no row

    @property
    def note(self) -> str:
        """What a reader has to know: that it is new, split, merged or has another name; nothing for one that stayed."""
        if not self.sources:
            return "new"
        if self.champion is None:
            return f"split from {', '.join(self.sources)}"
        return "" if self.sources == (self.label,) else f"from {', '.join(self.sources)}"

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares of 1, None for what was not measured."""
        return {
            "label": self.label,
            "from": list(self.sources),
            "rows": self.candidate.count,
            "champion": self.champion and _scores(self.champion),
            "candidate": _scores(self.candidate),
            "lost": self.lost,
            "won": self.won,
            "difference": self.difference and self.difference.as_json(),
            "reading": self.verdict and self.verdict.word,
            "p": self.verdict and self.verdict.p,
        }


def compare_labels(rows: JudgedRows, labels: LabelMap, known: tuple[int, ...]) -> tuple[LabelComparison, ...]:
    """Return the comparison of each label, in the order of the newest version.

    Args:
        rows: with both answers.
        labels: from the champion's labels to the newest.
        known: positions of the labels that the champion can give.
    """
    champion, candidate = (_counted(rows, answers, rows.known) for answers in (rows.champion, rows.candidate))
    everywhere = _counted(rows, rows.candidate, np.ones(len(rows.gold), dtype=bool))
    compared = [
        _label(rows, labels, position, champion[position], candidate[position])
        if position in known
        else LabelComparison(name, _sources(labels, position), None, everywhere[position], None, None, None)
        for position, name in enumerate(labels.labels)
    ]
    tests = {
        label.label: test
        for position, label in enumerate(compared)
        if position in known and (test := tested(label.label, rows, rows.gold == position))
    }
    verdicts = verdicts_of(tests)
    return tuple(replace(label, verdict=verdicts.get(label.label)) for label in compared)


def _label(
    rows: JudgedRows, labels: LabelMap, position: int, champion: LabelScore, candidate: LabelScore
) -> LabelComparison:
    own = rows.gold == position
    first, second = rows.champion_right[own], rows.candidate_right[own]
    return LabelComparison(
        label=labels.labels[position],
        sources=_sources(labels, position),
        champion=champion,
        candidate=candidate,
        lost=int((first > second).sum()),
        won=int((first < second).sum()),
        difference=drop(second, first) if len(first) else None,
    )


def _sources(labels: LabelMap, position: int) -> tuple[str, ...]:
    return tuple(labels.before[source] for source in labels.sources[position])


def _counted(rows: JudgedRows, answers: Answers, mask: NDArray[np.bool_]) -> list[LabelScore]:
    """Return the scores of each label, and last of the answers that are no label, which nobody reads."""
    given = np.where(answers.labels < 0, len(rows.names), answers.labels)
    return counts_of_pairs(rows.gold[mask], given[mask], [*rows.names, ""]).scores()


def _scores(score: LabelScore) -> dict[str, float | int | None]:
    return {"precision": score.precision, "recall": score.recall, "f1": score.f1, "given": score.given}
