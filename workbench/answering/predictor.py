"""Texts in, answers out: an adapter that is opened once and asked as often as one likes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from adapter_workbench.workbench.answering.evaluation import score_answers
from adapter_workbench.workbench.backbone.answer_options import OPTIONS
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import Generates
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset

    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.kind import Kind, Written
    from adapter_workbench.workbench.methods.model import TaskModel


class Answer(NamedTuple):
    """What a model says about one text: in words, how sure it is (None where that is not known), and as data.

    An answer that was generated also has what it took to write it.
    """

    words: str
    confidence: float | None
    value: str | float | list[str]
    written: Written | None = None


@dataclass(frozen=True)
class AskedRows:
    """Rows for a few texts, in place of a ``Dataset``, which is slow to import and to build (it is hashed).

    It becomes a ``Dataset`` where somebody reads more of it than whole columns and selected rows.
    """

    columns: dict[str, list[Any]]

    @property
    def column_names(self) -> list[str]:
        return [*self.columns]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.columns["id"])

    def __getitem__(self, key: Any) -> Any:
        """Return a column by its name; by anything else, what a ``Dataset`` returns."""
        return self.columns[key] if isinstance(key, str) else self._dataset[key]

    def select(self, indices: Sequence[int]) -> AskedRows:
        return AskedRows({name: [column[index] for index in indices] for name, column in self.columns.items()})

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of a ``Dataset``."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._dataset, name)

    @cached_property
    def _dataset(self) -> Dataset:
        from datasets import Dataset

        return Dataset.from_dict({name: column for name, column in self.columns.items() if name != OPTIONS})


@dataclass(frozen=True)
class OpenedAdapter:
    """An adapter, ready to answer."""

    adapter: StoredAdapter
    backbone: Backbone
    model: TaskModel

    @classmethod
    def open(cls, adapter: StoredAdapter, backbone: Backbone) -> OpenedAdapter:
        """Open ``adapter`` on ``backbone``; raises InputError where it belongs to another."""
        return cls(adapter, backbone, open_adapter(adapter, backbone))

    def answers(self, texts: Sequence[Any]) -> list[Answer]:
        """Return the answer to each text (for a pair task: to each (text, text_pair)).

        Raises:
            InputError: no texts, or texts where pairs are needed.
        """
        return answers_of(self.model, self.adapter, rows_of(texts, self.adapter.manifest.task), self.backbone)


def answers_of(model: TaskModel, adapter: StoredAdapter, rows: Dataset, backbone: Backbone) -> list[Answer]:
    """Return what ``model`` answers to each row; it is the model of ``adapter`` on ``backbone``."""
    manifest = adapter.manifest
    answers = model.kind.answers(model, rows, backbone.tokenizer, manifest.budget.max_length)
    return in_words(model.kind, answers, manifest.task.labels)


def evaluate_rows(opened: OpenedAdapter, rows: Dataset) -> tuple[Evaluation, list[Answer]]:
    """Return how well an adapter answers ``rows``, which have what is right, and its answers, one for each row.

    Raises:
        TrainingError: the main score is not a finite number.
    """
    began, kind, task = time.perf_counter(), opened.model.kind, opened.adapter.manifest.task
    answers = kind.answers(opened.model, rows, opened.backbone.tokenizer, opened.adapter.manifest.budget.max_length)
    return score_answers(kind, rows, answers, len(task.labels), began), in_words(kind, answers, task.labels)


def in_words(kind: Kind, answers: Any, labels: Sequence[str]) -> list[Answer]:
    """Return answers as a kind computes them (:meth:`Kind.answers`) as people read them."""
    worded, values = kind.say(answers, labels), kind.values(answers, labels)
    written = kind.written(answers) if isinstance(kind, Generates) else [None] * len(worded)
    return [
        Answer(words, confidence, value, effort)
        for (words, confidence), value, effort in zip(worded, values, written, strict=True)
    ]


def join_tables(tables: Sequence[Dataset]) -> Dataset:
    """Return the rows of several tables of :func:`rows_of`, which have the same columns, as one."""
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    rows: Any = AskedRows({name: [value for table in tables for value in table[name]] for name in names})
    return cast("Dataset", rows)


def with_options(rows: Dataset, options: AnswerOptions) -> Dataset:
    """Return rows of :func:`rows_of` whose answers are generated with these ``options``, where they are generated."""
    columns = {name: rows[name][:] for name in rows.column_names}
    asked: Any = AskedRows({**columns, OPTIONS: [options] * len(rows)})
    return cast("Dataset", asked)


def rows_of(texts: Sequence[Any], task: TaskReference | None = None) -> Dataset:
    """Return texts, or pairs of them, as rows, with what the answers to ``task`` are read with.

    Raises:
        InputError: no texts, something else than texts, some pairs and some not, or not what the task is about.
    """
    rows: Any = AskedRows(columns_of(texts, task))
    return cast("Dataset", rows)  # it has all that is read of a Dataset here


def columns_of(texts: Sequence[Any], task: TaskReference | None = None) -> dict[str, list[Any]]:
    """Return the columns of :func:`rows_of`; raises as it does."""
    _require_texts(texts)
    pairs = [isinstance(text, tuple | list) for text in texts]
    if any(pairs) and not all(pairs):
        raise InputError("some texts are pairs and some are not")
    if task and all(pairs) != task.pair:
        wanted = "pairs of texts" if task.pair else "single texts"
        raise InputError(f"{task.name} answers for {wanted}", hint="--pair gives the second text of a pair.")
    columns: dict[str, list[Any]] = {"id": [str(index) for index in range(len(texts))]}
    if task and task.max_new_tokens is not None:
        columns["max_new_tokens"] = [task.max_new_tokens] * len(texts)
    if task and task.scale is not None:
        columns |= {name: [number] * len(texts) for name, number in zip(("centre", "spread"), task.scale, strict=True)}
    columns["text"] = [text[0] for text in texts] if all(pairs) else list(texts)
    if all(pairs):
        columns["text_pair"] = [text[1] for text in texts]
    return columns


def _require_texts(given: Any) -> None:
    """Raise InputError where this is no list of texts, or of pairs of texts."""
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise InputError("texts are given in a list", hint="Put one text in brackets: ['…'].")
    if not len(given):
        raise InputError("there is nothing to predict", hint="Give texts, or --file.")
    for position, text in enumerate(given):
        if not _is_text(text):
            raise InputError(f"what stands at position {position} is neither a text nor a pair of texts", where="texts")


def _is_text(given: Any) -> bool:
    """Return whether this is a text, or a pair of two."""
    if isinstance(given, tuple | list):
        return len(given) == 2 and all(isinstance(text, str) for text in given)
    return isinstance(given, str)
