"""How well an adapter answers rows that a person has labelled: scores, labels, confusions, and what was wrong."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.measures.label_counts import LabelScore, worst_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.tasks.loading.labelled_table import LeftOut
    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.measures.statistics import Interval

WRONG = 10  # wrong answers that are shown where nobody says how many


@dataclass(frozen=True)
class JudgedRow:
    """One row of a table, and what an adapter answered.

    Attributes:
        row: its number in the table, from 1; a header is not counted.
        text: that was asked.
        text_pair: the second text; None where there is none.
        right: what is right: a label's name, a list of names or tags, a number, or an answer in words.
        value: the answer, in the same form.
        confidence: in the answer, see :class:`adapter_workbench.experiments.answers.predicting.Prediction`.
        correct: whether the answer is right; None of a number, which is never quite right.
        score: of an answer in words, by the task's metric; else None.
        error: of a number: answer − right; else None.
        adapter: the id of the adapter that answered.
    """

    row: int
    text: str
    text_pair: str | None
    right: str | float | list[str]
    value: str | float | list[str]
    confidence: float | None
    correct: bool | None
    score: float | None
    error: float | None
    adapter: str

    @property
    def badness(self) -> tuple[float, float]:
        """By what wrong answers are sorted, the worst first: large errors and low scores, then high confidence."""
        return abs(self.error or 0.0) - (self.score or 0.0), self.confidence or 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what there is, by name."""
        pair = {} if self.text_pair is None else {"text_pair": self.text_pair}
        entry = {"row": self.row, "text": self.text, **pair, "right": self.right, "answer": self.value}
        more = {"confidence": self.confidence, "score": self.score, "error": self.error}
        return entry | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True)
class Evaluated:
    """How well an adapter answers a table of labelled rows.

    Attributes:
        adapter: its id.
        task: that it was trained on.
        metric: the name of the main score.
        total: how many rows the table has.
        left_out: those that cannot be judged.
        scores: each with its 95 % interval over the examples; bounds are None where there is none.
        labels: the scores of each label, in the task's order; of entities, of each type. None without labels.
        confusion: how often each label (row) got each answer (column); None but for one label a text.
        rows: every row that was judged, in the table's order.
    """

    adapter: str
    task: TaskReference
    metric: str
    total: int
    left_out: LeftOut
    scores: Mapping[str, Interval]
    labels: tuple[LabelScore, ...] | None
    confusion: tuple[tuple[int, ...], ...] | None
    rows: tuple[JudgedRow, ...]

    @property
    def may_have_seen(self) -> bool:
        """Whether the adapter may have been trained on these rows: another program trained it."""
        return self.task.fingerprint is None

    @property
    def worst_label(self) -> LabelScore | None:
        """The label with the smallest F1 of those that the table has."""
        return worst_label(self.labels or ())

    @property
    def wrong(self) -> list[JudgedRow]:
        """The rows that were answered wrongly, the surest answers first; of numbers all, the largest errors first."""
        return sorted((row for row in self.rows if not row.correct), key=lambda row: row.badness, reverse=True)

    def as_json(self, most: int = WRONG) -> dict[str, Any]:
        """Return the document of ``workbench evaluate --json``, with ``most`` wrong answers; numbers are finite."""
        left_out, wrong, worst = self.left_out, self.wrong, self.worst_label
        return {
            "adapter": self.adapter,
            "task": self.task.name,
            "kind": self.task.kind,
            "rows": self.total,
            "examples": len(self.rows),
            "left_out": {
                "without_text": left_out.without_text,
                "without_label": left_out.without_label,
                "unknown_label": left_out.unknown_label,
                "unknown_labels": dict(left_out.unknown_labels),
            },
            "metric": self.metric,
            "scores": {name: _bounds(score) for name, score in self.scores.items()},
            "worst_label": worst and worst.as_json(),
            "labels": None if self.labels is None else [label.as_json() for label in self.labels],
            "confusion": None if self.confusion is None else self._confusion(),
            "may_have_seen": self.may_have_seen,
            "wrong": {"count": len(wrong), "examples": [row.as_json() for row in wrong[:most]]},
        }

    def _confusion(self) -> dict[str, Any]:
        return {"labels": list(self.task.labels), "counts": [list(row) for row in self.confusion or ()]}

    def _repr_html_(self) -> str:
        """Return the scores, and those of the labels, as tables for a notebook."""
        from adapter_workbench.experiments.reporting.notebook import table
        from adapter_workbench.experiments.reporting.wording import score

        scores = [
            (name.replace("_", " "), score(name, value.mean))
            for name, value in self.scores.items()
            if value.mean is not None
        ]
        labels = [[*asdict(label).values()] for label in self.labels or ()]
        return table([], scores) + (table([*LabelScore.__dataclass_fields__], labels) if labels else "")


def finite_or_none(value: float | None) -> float | None:
    """Return a number; None where it is none."""
    return None if value is None or math.isnan(value) else value


def _bounds(score: Interval) -> dict[str, float | None]:
    return {"mean": score.mean, "low": score.low, "high": score.high}
