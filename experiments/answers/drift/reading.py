"""What an adapter and its backbone say of some rows, as a sample that can be compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.answers.drift.sample import Judged, Sample
from adapter_workbench.experiments.answers.table_evaluation import right_answers
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers.prototype import unit
from adapter_workbench.fusion.target.reader import Reader
from adapter_workbench.workbench.answering.predictor import rows_of
from adapter_workbench.workbench.measures.relabelled_samples import distances_between
from adapter_workbench.workbench.methods.sampling import EVALUATION_SEED, stratified_sample
from adapter_workbench.workbench.methods.stored_model import open_adapter, open_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.experiments.answers.drift.new_rows import NewRows
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

MOST_KNOWN = 1000  # training rows among which the nearest is looked for


@dataclass(frozen=True)
class KnownFeatures(Reader):
    """A reader of rows whose features were computed before: a router need not compute them again."""

    known: NDArray[np.float32] | None = None

    def features(self, rows: Dataset) -> NDArray[np.float32]:
        """Return the features that are known."""
        assert self.known is not None
        return self.known


@dataclass(frozen=True)
class Measuring:
    """One adapter, its backbone, and where its training rows lie."""

    stored: StoredAdapter  # the adapter
    backbone: Backbone  # that it belongs to
    reader: Reader  # the backbone without any adapter, opened
    known: NDArray[np.floating[Any]]  # features of training rows, each at length 1, (rows, h)
    state: RoutingState | None  # a router that knows this adapter and those of other tasks; None without others

    @classmethod
    def open(cls, stored: StoredAdapter, backbone: Backbone, task: Task, state: RoutingState | None) -> Measuring:
        """Read the training rows of ``task``, at most :data:`MOST_KNOWN`; raises InputError for another backbone."""
        manifest = stored.manifest
        reader = Reader(backbone, manifest.precision, manifest.budget.max_length).opened_once()
        known = unit(reader.keeping().features(stratified_sample(task.splits["train"], MOST_KNOWN, EVALUATION_SEED)))
        return cls(stored, backbone, reader, known, state)

    def held_out(self, task: Task, rows: Dataset) -> Sample:
        """Return what is measured of rows of ``task``, whose right answers are there."""
        model = open_for(self.stored, self.backbone, task)
        answers = self._answers(model, rows)
        kind = model.kind
        judged = Judged(_correct(kind, rows, answers), right_answers(rows, kind.target, task.labels))
        return self._sample(kind, rows, answers, task.labels, judged)

    def in_question(self, new: NewRows) -> Sample:
        """Return what is measured of new rows; a label that the task does not have is answered wrongly."""
        task, model = self.stored.manifest.task, open_adapter(self.stored, self.backbone)
        rows = rows_of(new.texts, task)
        answers = self._answers(model, rows)
        judged = self._judged(model.kind, new, answers) if new.labelled else None
        return self._sample(model.kind, rows, answers, task.labels, judged)

    def _judged(self, kind: Kind, new: NewRows, answers: Any) -> Judged:
        table, task = new.labelled, self.stored.manifest.task
        assert table is not None
        position = {number: index for index, number in enumerate(new.numbers)}
        asked = [position[new.drawn[index]] for index in table.row_numbers]
        some = answers[asked] if isinstance(answers, np.ndarray) else [answers[index] for index in asked]
        unknown = table.left_out.unknown_label
        correct = np.concatenate([_correct(kind, table.rows, some), np.zeros(unknown, dtype=bool)])
        return Judged(correct, [*right_answers(table.rows, kind.target, task.labels), *[None] * unknown])

    def _answers(self, model: TaskModel, rows: Dataset) -> Any:
        return model.kind.answers(model, rows, self.backbone.tokenizer, self.stored.manifest.budget.max_length)

    def _sample(self, kind: Kind, rows: Dataset, answers: Any, labels: Sequence[str], judged: Judged | None) -> Sample:
        raw = self.reader.features(rows)
        features = unit(raw)
        return Sample(
            values=kind.values(answers, labels),
            confidence=np.array([np.nan if sure is None else sure for _, sure in kind.say(answers, labels)]),
            features=features,
            nearest=distances_between(features, self.known).min(axis=1),
            elsewhere=self._elsewhere(rows, raw),
            judged=judged,
        )

    def _elsewhere(self, rows: Dataset, raw: NDArray[np.float32]) -> NDArray[np.bool_] | None:
        """Return which rows the router sends to another task."""
        if self.state is None:
            return None
        state, own = self.state, self.reader
        if (state.reader.precision, state.reader.max_length) == (own.precision, own.max_length):
            state = replace(state, reader=KnownFeatures(self.backbone, own.precision, own.max_length, known=raw))
        ids = [adapter.id for adapter in state.adapters]
        return np.asarray(adapters_for_texts(state, rows).adapters != ids.index(self.stored.id))


def _correct(kind: Kind, rows: Dataset, answers: Any) -> NDArray[np.bool_]:
    return kind.outcomes(rows, answers)["correct"].to_numpy(dtype=bool)
