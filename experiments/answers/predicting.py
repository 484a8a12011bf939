"""The answers of adapters to new texts: to a few in memory, or to every row of a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from adapter_workbench.workbench.answering.predictor import OpenedAdapter, columns_of, evaluate_rows
from adapter_workbench.workbench.machine.lazy_imports import import_models
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.workbench.adapters.manifest import TaskReference
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.evaluation import Evaluation
    from adapter_workbench.workbench.answering.predictor import Answer
    from adapter_workbench.workbench.methods.kind import Kind

Ask: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Prediction:
    """The answer of an adapter to one text."""

    text: str  # what was asked
    # the answer in words: a label's name, several with commas, a number, entities or tagged words, or generated
    # text
    label: str
    # the answer's probability; of a generated text, the geometric mean of its tokens' probabilities; of a number
    # it is not known
    confidence: float | None
    adapter: str  # the id of the adapter that answered
    # the answer as data: as ``label``, or for several labels a list, for a number a float, for tagged words a
    # list with a tag for each word
    value: str | float | list[str]


Item = TypeVar("Item")


class Predictions(list[Item]):
    """The answers to some texts, in their order; a notebook shows them as a table."""

    def _repr_html_(self) -> str:
        """Return a table of all that is known of each answer."""
        from adapter_workbench.experiments.reporting.notebook import table

        shown = [{name: value for name, value in vars(prediction).items() if name != "value"} for prediction in self]
        return table([*shown[0]] if shown else [], [[*row.values()] for row in shown])


class Predictor:
    """One stored adapter that answers; its backbone is opened when it is first asked."""

    def __init__(self, adapter: StoredAdapter, backbone: str | None, alone: bool = False) -> None:
        """Answer with ``adapter`` on the backbone that it names, or on the one at ``backbone``.

        ``alone`` computes each text by itself: then its answer is the same to the last bit beside any others.
        """
        self.adapter, self._backbone, self._alone = adapter, backbone, alone

    @property
    def task(self) -> TaskReference:
        """The task that the adapter answers for."""
        return self.adapter.manifest.task

    @property
    def kind(self) -> Kind:
        """The kind of the task."""
        import_models()  # a kind brings torch, and an answer takes the rest as well
        return KINDS.get(self.task.kind)

    @property
    def target(self) -> str:
        """What an answer's value is called among the columns of a person's data: ``label``, ``value``, ``tags``, …."""
        return self.kind.target

    @property
    def answer_columns(self) -> dict[str, str]:
        """The columns of an answer in a table → the attribute of :class:`Prediction` that stands there."""
        sure = {} if self.target == "value" else {"confidence": "confidence"}
        return {self.target: "value", **sure, "adapter": "adapter"}

    def __call__(self, texts: Sequence[Any]) -> Predictions[Prediction]:
        """Return the answer to each text (for a pair task: to each (text, text_pair)).

        Raises:
            InputError: no texts, texts where pairs are needed, or a backbone that the adapter does not belong to.
        """
        firsts = columns_of(texts, self.task)["text"]  # before a model is opened
        batches = [[text] for text in texts] if self._alone else [texts]
        answers = zip(firsts, (answer for batch in batches for answer in self._predictor.answers(batch)), strict=True)
        return Predictions(
            Prediction(text, answer.words, answer.confidence, self.adapter.id, answer.value) for text, answer in answers
        )

    def judged(self, rows: Dataset) -> tuple[Evaluation, list[Answer]]:
        """Return how well ``rows`` are answered, which have what is right, and the answer to each.

        Raises:
            InputError: a backbone that the adapter does not belong to.
            TrainingError: the main score is not a finite number.
        """
        return evaluate_rows(self._predictor, rows)

    @cached_property
    def _predictor(self) -> OpenedAdapter:
        return OpenedAdapter.open(self.adapter, backbone_of(self.adapter, self._backbone))


def with_answers(
    rows: Sequence[dict[str, Any]], texts: Sequence[Any], ask: Ask, columns: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return ``rows`` with the answers to their texts beside what is there; a row whose text is None has none.

    Args:
        rows: of a table.
        texts: one for each row, or a pair, or None.
        ask: texts → an answer to each.
        columns: new column → attribute of an answer.
    """
    filled = [text for text in texts if text is not None]
    answers = iter(ask(filled) if filled else [])
    row_answers = [None if text is None else next(answers) for text in texts]
    return [
        {**row, **{name: answer and _finite(getattr(answer, attribute)) for name, attribute in columns.items()}}
        for row, answer in zip(rows, row_answers, strict=True)
    ]


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
