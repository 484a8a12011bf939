"""What a champion and a candidate answer to the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.gating.candidate.mapped_answers import Answers, answers_in
from tasks.updating.label_map import unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from experiments.gating.candidate.versions import VersionPair
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.methods.task import Task


@dataclass(frozen=True)
class JudgedRows:
    """The n rows of one split of the newest version, with both answers.

    Attributes:
        ids: of the rows.
        texts: of the rows; a pair has both.
        gold: position of the right label, (n,).
        old: whether the champion's version had the row in the same split, (n,).
        known: whether the champion can give the right label, (n,).
        champion: what it answers.
        candidate: what it answers.
        names: of the labels.
    """

    ids: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    gold: NDArray[np.int64]
    old: NDArray[np.bool_]
    known: NDArray[np.bool_]
    champion: Answers
    candidate: Answers
    names: tuple[str, ...]

    @property
    def champion_right(self) -> NDArray[np.float64]:
        """1 where the champion answers rightly, else 0, (n,); it means nothing where ``known`` is False."""
        right: NDArray[np.float64] = (self.champion.labels == self.gold).astype(float)
        return right

    @property
    def candidate_right(self) -> NDArray[np.float64]:
        """1 where the candidate answers rightly, else 0, (n,)."""
        right: NDArray[np.float64] = (self.candidate.labels == self.gold).astype(float)
        return right

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Which rows the champion has right and the candidate wrong, (n,)."""
        return self.known & (self.champion_right > self.candidate_right)

    @property
    def won(self) -> NDArray[np.bool_]:
        """Which rows the champion has wrong, although it knows the label, and the candidate right, (n,)."""
        return self.known & (self.champion_right < self.candidate_right)


def judged_rows(
    champion: StoredAdapter, candidate: StoredAdapter, versions: VersionPair, splits: Sequence[str]
) -> dict[str, JudgedRows]:
    """Return what both adapters answer to splits of the newest version; one model is open at a time.

    Raises:
        InputError: a backbone is not where it was, or is another one.
        AnswerError: an answer is not a number.
    """
    first = logits_of(champion, versions.task, splits)
    second = logits_of(candidate, versions.task, splits)
    return {split: _judged(champion, candidate, versions, split, first[split], second[split]) for split in splits}


def _judged(
    champion: StoredAdapter,
    candidate: StoredAdapter,
    versions: VersionPair,
    split: str,
    first: NDArray[np.float32],
    second: NDArray[np.float32],
) -> JudgedRows:
    rows, gold, labels = versions.task.splits[split], versions.gold(split), versions.labels
    columns = [rows[name][:] for name in ("text", "text_pair") if name in rows.column_names]
    return JudgedRows(
        ids=tuple(rows["id"][:]),
        texts=tuple(zip(*columns, strict=True)),
        gold=gold,
        old=versions.old(split),
        known=np.isin(gold, versions.known),
        champion=answers_in(first, columns_of(champion, labels.before), labels),
        candidate=answers_in(second, columns_of(candidate, labels.labels), unchanged(labels.labels)),
        names=labels.labels,
    )


def columns_of(stored: StoredAdapter, labels: Sequence[str]) -> list[int]:
    """Return the column of an adapter's logits for each label: by name, since the order may be another."""
    own = stored.manifest.task.labels
    return [own.index(label) for label in labels]


def logits_of(stored: StoredAdapter, task: Task, splits: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
    """Return split → the logits of an adapter in the order of its own labels, (rows, its labels).

    Raises:
        InputError: its backbone is not where it was, or is another one.
        AnswerError: an answer is not a number.
    """
    from workbench.machine.sharding import apart_for_answers
    from workbench.methods.stored_model import backbone_of, open_adapter

    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    length = stored.manifest.budget.max_length

    def asked(split: str) -> Any:
        with apart_for_answers(model) as apart:
            return model.kind.answers(apart, task.splits[split], backbone.tokenizer, length)

    return {split: asked(split) for split in splits}
