"""One evaluation for every task and method: per-example outcomes first, scores from them."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, in_batches
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.machine.sharding import apart_for_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.kind import Kind
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

__all__ = [
    "BATCH_SIZE",
    "BROKEN_WEIGHTS",
    "Evaluation",
    "evaluate",
    "evaluate_split",
    "features",
    "predict",
    "run",
    "score_answers",
]

BROKEN_WEIGHTS = "Lower the learning rate (--set learning_rate=…), or train in fp32 (--set budget.precision=fp32)."


@dataclass(frozen=True)
class Evaluation:
    """What a model does on one split."""

    # one row per example, in the split's order: id, prediction, correct, confidence, log_likelihood, and what else
    # the task's kind tells (``label``; or ``answer`` and scores)
    outcomes: pd.DataFrame
    scores: dict[str, float]  # named scores in [0, 1]
    # digest of what determines the answers: every logit of a classification; of generated text the tokens and all
    # token likelihoods. Two evaluations agree bit for bit if and only if it is the same
    logits_sha256: str
    seconds: float  # wall time

    @property
    def log_likelihood(self) -> float:
        """Of the right answers, mean over all examples."""
        return float(self.outcomes["log_likelihood"].mean())


def evaluate(
    model: TaskModel, rows: Dataset, labels: int, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Evaluation:
    """Run ``model`` over ``rows`` and score it. Batches depend on the rows alone, so that logits can be compared.

    Raises:
        AnswerError: an answer is not a number.
        TrainingError: the main score is not a finite number.
    """
    began = time.perf_counter()
    with apart_for_answers(model) as asked:
        answers = model.kind.answers(asked, rows, tokenizer, max_length)
    return score_answers(model.kind, rows, answers, labels, began)


def score_answers(kind: Kind, rows: Dataset, answers: Any, labels: int, began: float) -> Evaluation:
    """Return how good ``answers`` to ``rows`` are; raises as :func:`evaluate`.

    Args:
        kind: of the task.
        rows: with what is right.
        answers: as the kind computes them.
        labels: how many the task has.
        began: ``time.perf_counter()`` when the work began.
    """
    outcomes = kind.outcomes(rows, answers)
    scores = kind.scores(outcomes, labels)
    _require_finite(scores, outcomes, kind)
    return Evaluation(outcomes, scores, kind.digest(answers), time.perf_counter() - began)


def evaluate_split(model: TaskModel, task: Task, split: str, backbone: Backbone, max_length: int) -> Evaluation:
    """Run ``model`` over all examples of a split of ``task``; raises as :func:`evaluate`."""
    return evaluate(model, task.splits[split], len(task.labels), backbone.tokenizer, max_length)


def predict(
    model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> NDArray[np.float32]:
    """Return the logits of ``rows`` (examples, labels), in their order; for kinds whose answers are labels."""
    return run(model, model.kind.questions(rows, tokenizer, max_length), tokenizer)


def run(model: TaskModel, encoded: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> NDArray[np.float32]:
    """Return the logits of encoded rows (examples, labels), in their order."""
    return _call_in_batches(lambda inputs: model(**inputs)["logits"], model, encoded, tokenizer)


def features(
    model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> NDArray[np.float32]:
    """Return the pooled feature vectors of ``rows``, answers left out: (examples, hidden_size), in their order."""
    encoded = model.kind.questions(rows, tokenizer, max_length)
    return _call_in_batches(lambda inputs: model.features(**inputs), model, encoded, tokenizer)


def _require_finite(scores: Mapping[str, float], outcomes: pd.DataFrame, kind: Kind) -> None:
    score = scores[kind.metric]
    if math.isfinite(score):
        return
    hint = f"The answers are numbers: the kind ({type(kind).__name__}) has to score them as one."
    if not np.isfinite(outcomes["log_likelihood"]).all():
        hint = BROKEN_WEIGHTS
    raise TrainingError(f"the score of {len(outcomes):,} answers ({kind.metric}) is {score}", hint=hint)


def _call_in_batches(
    call: Callable[[dict[str, Tensor]], Tensor],
    model: TaskModel,
    encoded: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
) -> NDArray[np.float32]:
    """Return what ``call`` makes of each row (examples, …)."""

    def without_labels(_: list[int], batch: dict[str, Tensor]) -> NDArray[np.float32]:
        batch.pop("labels", None)
        values: NDArray[np.float32] = call(batch).float().cpu().numpy()
        return values

    return np.stack(in_batches(without_labels, model, encoded, model.kind.collate(tokenizer)))
