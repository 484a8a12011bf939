"""One evaluation for every task and method: per-example outcomes first, scores from them."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from workbench.model import TaskModel

BATCH_SIZE = 64


@dataclass(frozen=True)
class Evaluation:
    """What a model does on one split.

    Attributes:
        outcomes: one row per example, in the split's order: id, label, prediction, correct, confidence, log_likelihood.
        scores: named scores in [0, 1].
        logits_sha256: digest of the logits' bytes: two evaluations agree bit for bit if and only if it is the same.
        seconds: wall time.
    """

    outcomes: pd.DataFrame
    scores: dict[str, float]
    logits_sha256: str
    seconds: float


def evaluate(
    model: TaskModel, rows: Dataset, labels: int, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> Evaluation:
    """Run ``model`` over ``rows`` and score it. Batches depend on the rows alone, so that logits can be compared."""
    began = time.perf_counter()
    logits = predict(model, rows, tokenizer, max_length)
    outcomes = model.kind.outcomes(rows, logits)
    scores = model.kind.scores(outcomes, labels)
    digest = hashlib.sha256(logits.tobytes()).hexdigest()
    return Evaluation(outcomes, scores, digest, time.perf_counter() - began)


def predict(
    model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> NDArray[np.float32]:
    """Return the logits of ``rows`` (examples, labels), in their order; texts of like length share a batch."""
    return run(model, model.kind.encode(rows, tokenizer, max_length), tokenizer)


def run(model: TaskModel, encoded: list[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> NDArray[np.float32]:
    """Return the logits of encoded rows (examples, labels), in their order."""
    return _batched(lambda inputs: model(**inputs)["logits"], model, encoded, tokenizer)


def features(
    model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> NDArray[np.float32]:
    """Return the feature vectors of ``rows``, what the head sees: (examples, hidden_size), in their order."""
    encoded = model.kind.encode(rows, tokenizer, max_length)
    return _batched(lambda inputs: model.features(**inputs), model, encoded, tokenizer)


@torch.inference_mode()
def _batched(
    call: Callable[[dict[str, Tensor]], Tensor],
    model: TaskModel,
    encoded: list[dict[str, Any]],
    tokenizer: PreTrainedTokenizerBase,
) -> NDArray[np.float32]:
    """Return what ``call`` makes of each row (examples, …); texts of like length share a batch."""
    collate = model.kind.collate(tokenizer)
    device = next(model.parameters()).device
    by_length = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]["input_ids"]))
    training, parts = model.training, []
    model.eval()
    for start in range(0, len(by_length), BATCH_SIZE):
        batch = collate([encoded[index] for index in by_length[start : start + BATCH_SIZE]])
        inputs = {name: tensor.to(device) for name, tensor in batch.items() if name != "labels"}
        parts.append(call(inputs).float().cpu().numpy())
    model.train(training)
    found = np.concatenate(parts)
    restored = np.empty_like(found)
    restored[by_length] = found
    return restored
