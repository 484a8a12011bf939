"""What differs between kinds of task; each fulfils this protocol (:mod:`adapter_workbench.workbench.methods.kinds`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from torch import Tensor, nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.measures.label_counts import LabelCounts
    from adapter_workbench.workbench.methods.answer_rows import AnswerRow
    from adapter_workbench.workbench.methods.running_answers import ArrangeOwners, RunningAnswers

GENERATED = ("causal-lm", "seq2seq")  # kinds whose answers are words that the backbone's own output layer generates

Arrange = Callable[[Sequence[int]], Sequence[int]]  # numbers of a batch's rows → the order in which they have to stand


class Kind(Protocol):
    """What differs between kinds of task: columns, head, what it reads, loss, how an answer is made and judged.

    Attributes:
        metric: the name of the main score, an entry of what :meth:`scores` returns.
        pipeline_tag: what transformers and the Hugging Face hub call such a task (``text-classification``).
        target: the column of a row that holds what is right (``label``, ``labels``, ``tags``, ``value``, ``answer``).
        usage: a Jinja template of the program in an adapter's README that answers without this package; see
            :mod:`adapter_workbench.workbench.methods.card` for the names that it may use.
    """

    metric: str
    pipeline_tag: str
    target: str
    usage: str

    def objection(self, config: PretrainedConfig) -> str | None:
        """Return why a backbone cannot answer, as the end of a sentence about it ("is not …"); None where it can.

        It reads the config alone, so that it can speak before weights are fetched.
        """

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a fresh head: what :meth:`read` gives (…, hidden_size) → logits.

        A head without a state (an empty ``state_dict``) is part of the backbone: not trained and not stored.
        """

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return ``rows`` as unpadded model inputs (``input_ids``, …) without their answers, one dictionary a row."""

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Return how many tokens each question and each answer takes where nothing is cut (0 for a label)."""

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return ``rows`` as unpadded training examples (``input_ids``, …, ``labels``), one dictionary a row."""

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Return a function that pads a list of encoded rows, with labels or without, to one batch."""

    def read(self, model: Network, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return what the head sees of a batch (a feature vector a text, or token states), and the labels for it."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss of what :meth:`read` gave, a scalar."""

    def answers(self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Any:
        """Return what ``model`` answers to each row, in their order (logits, or generated text).

        Raises:
            AnswerError: the numbers that it computes are none (:func:`require_scores`).
        """

    def digest(self, answers: Any) -> str:
        """Return the SHA-256 of all the numbers that determine ``answers``: equal digests, equal to the last bit."""

    def outcomes(self, rows: Dataset, answers: Any) -> pd.DataFrame:
        """Return one row per example: id, prediction, correct, confidence, log_likelihood, and what the kind adds.

        ``log_likelihood`` is that of the right answer. Where ``correct`` is not the whole score, ``score`` tells it.
        A main score that is the mean of either is compared by a paired bootstrap over examples.
        """

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return named scores, higher is better; ``metric`` names the main one.

        They lie in [0, 1], but for those of a regression: correlations and explained variance may be negative, and
        errors, where lower is better, have the unit of the values.
        """

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> LabelCounts | None:
        """Return how often each label is right, given and both; None for a kind without labels.

        Args:
            outcomes: of some examples, as :meth:`outcomes` returns them.
            labels: the names of the task's labels.
        """

    def say(self, answers: Any, labels: Sequence[str]) -> list[tuple[str, float | None]]:
        """Return each answer in words and the model's confidence in it, in [0, 1]; None where there is none."""

    def values(self, answers: Any, labels: Sequence[str]) -> list[Any]:
        """Return each answer in the form of the column ``target``, as plain Python values."""

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test score of always giving the training split's most frequent answer."""


class Written(NamedTuple):
    """What it took to generate an answer."""

    read: int  # tokens of the question
    new: int  # tokens of the answer, its end token included
    complete: bool  # whether the answer came to its end, and was not cut at its limit
    ids: tuple[int, ...] = ()  # the tokens of the question and the answer


@runtime_checkable
class Generates(Kind, Protocol):
    """A kind whose answers are generated; each row of a batch can be answered by weights of its own."""

    def generated(
        self,
        model: Network,
        rows: Dataset,
        questions: list[dict[str, Any]],
        tokenizer: PreTrainedTokenizerBase,
        arrange: Arrange | None = None,
    ) -> list[Any]:
        """Return what :meth:`answers` returns of ``rows`` without what is right.

        Args:
            model: answers.
            rows: say how long an answer may get (:mod:`adapter_workbench.workbench.backbone.answer_options`).
            questions: what :meth:`questions` makes of the rows; they may be cut at different lengths.
            tokenizer: of the backbone.
            arrange: is called before each batch and lets the right weights answer each of its rows; None where the same
                weights answer all rows.
        """

    def running(
        self, model: Network, tokenizer: PreTrainedTokenizerBase, arrange: ArrangeOwners | None = None
    ) -> RunningAnswers | None:
        """Return an empty batch that answers of ``model`` can join at any time; None where there is no such batch.

        ``arrange`` is as for :class:`adapter_workbench.workbench.methods.running_answers.RunningAnswers`.
        """

    def finished(self, rows: Sequence[AnswerRow], tokenizer: PreTrainedTokenizerBase) -> list[Any]:
        """Return what :meth:`generated` returns, of answers that have ended.

        Raises:
            AnswerError: the model computed NaN or infinity.
        """

    def written(self, answers: Any) -> list[Written]:
        """Return what it took to generate each answer."""
