"""What a champion and a candidate answer to the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.gating.candidate.mapped_answers import Answers, answers_in
from adapter_workbench.tasks.updating.label_map import unchanged
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.versions import VersionPair
    from adapter_workbench.experiments.workspace.evaluations import Evaluations
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


@dataclass(frozen=True)
class JudgedRows:
    """The n rows of one split of the newest version, with both answers."""

    ids: tuple[str, ...]  # of the rows
    texts: tuple[tuple[str, ...], ...]  # of the rows; a pair has both
    gold: NDArray[np.int64]  # position of the right label, (n,)
    old: NDArray[np.bool_]  # whether the champion's version had the row in the same split, (n,)
    known: NDArray[np.bool_]  # whether the champion can give the right label, (n,)
    champion: Answers  # what it answers
    candidate: Answers  # what it answers
    names: tuple[str, ...]  # of the labels

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
    champion: StoredAdapter,
    candidate: StoredAdapter,
    versions: VersionPair,
    splits: Sequence[str],
    known: Evaluations | None = None,
) -> dict[str, JudgedRows]:
    """Return what both adapters answer to splits of the newest version; one model is open at a time.

    ``known`` has answers that were given before, and keeps these; None: both adapters are asked.

    Raises:
        InputError: a backbone is not where it was, or is another one.
        AnswerError: an answer is not a number.
    """
    task, labels = versions.task, versions.labels
    first = _answers(champion, task, labels, splits, known)
    second = _answers(candidate, task, unchanged(labels.labels), splits, known)
    return {split: _judged(versions, split, first[split], second[split]) for split in splits}


def _answers(
    stored: StoredAdapter, task: Task, labels: LabelMap, splits: Sequence[str], known: Evaluations | None
) -> dict[str, Answers]:
    """Return split → what an adapter of the labels ``labels.before`` answers, read in ``labels.labels``."""
    keys = {split: answers_key(stored, task, labels, split) for split in splits}
    read = {split: answers for split in splits if known and (answers := _read(known, keys[split]))}
    missing = [split for split in splits if split not in read]
    logits = logits_of(stored, task, missing) if missing else {}
    columns = columns_of(stored, labels.before)
    for split in missing:
        read[split] = answers_in(logits[split], columns, labels)
        if known is not None:
            keep_answers(known, keys[split], task.splits[split]["id"][:], read[split])
    return read


def answers_key(stored: StoredAdapter, task: Task, labels: LabelMap, split: str) -> str:
    """Return the key of an adapter's answers to the rows of a split, read in the newest labels."""
    named = [labels.before, labels.labels, labels.sources]
    rows = [task.fingerprint, split, task.splits[split]["id"][:]]
    return key(["answers", stored.identity, stored.manifest.budget.max_length, named, rows])


def keep_answers(known: Evaluations, where: str, ids: Sequence[str], answers: Answers) -> None:
    """Store answers under a key of :func:`answers_key`, in the place of damaged ones; where nothing can be, do not."""
    import pandas as pd

    from adapter_workbench.workbench.answering.evaluation import Evaluation

    columns = {"id": ids, "label": answers.labels, "confidence": answers.confidence, "answer": answers.words}
    known.keep(where, Evaluation(pd.DataFrame(columns), {}, "", 0.0))


def _read(known: Evaluations, where: str) -> Answers | None:
    """Return answers that were given before; None where they are not there, or are damaged."""
    frame = known.answers(where)
    if frame is None:
        return None
    words = tuple(frame["answer"].tolist())
    return Answers(frame["label"].to_numpy(np.int64), frame["confidence"].to_numpy(np.float64), words)


def _judged(versions: VersionPair, split: str, champion: Answers, candidate: Answers) -> JudgedRows:
    rows, gold = versions.task.splits[split], versions.gold(split)
    columns = [rows[name][:] for name in ("text", "text_pair") if name in rows.column_names]
    return JudgedRows(
        ids=tuple(rows["id"][:]),
        texts=tuple(zip(*columns, strict=True)),
        gold=gold,
        old=versions.old(split),
        known=np.isin(gold, versions.known),
        champion=champion,
        candidate=candidate,
        names=versions.labels.labels,
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
    from adapter_workbench.workbench.machine.sharding import apart_for_answers
    from adapter_workbench.workbench.methods.stored_model import backbone_of, open_adapter

    backbone = backbone_of(stored)
    model = open_adapter(stored, backbone)
    length = stored.manifest.budget.max_length

    def asked(split: str) -> Any:
        with apart_for_answers(model) as apart:
            return model.kind.answers(apart, task.splits[split], backbone.tokenizer, length)

    return {split: asked(split) for split in splits}
