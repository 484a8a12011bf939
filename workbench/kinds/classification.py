"""classification: one of several labels for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase


class Classification:
    """A linear layer on the text's feature vector, trained with cross-entropy, scored by accuracy."""

    metric = "accuracy"

    def head(self, hidden_size: int, task_labels: int) -> nn.Module:
        """Return a linear layer (hidden_size → task_labels)."""
        return nn.Linear(hidden_size, task_labels)

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Tokenise, cutting what is longer than ``max_length`` tokens (of a pair, the longer text first)."""
        texts = [rows["text"][:], rows["text_pair"][:]] if "text_pair" in rows.column_names else [rows["text"][:]]
        columns = {**tokenizer(*texts, truncation=True, max_length=max_length), "labels": rows["label"][:]}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad to the longest text of the batch."""
        from transformers import DataCollatorWithPadding

        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]] = DataCollatorWithPadding(tokenizer)
        return collator

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy: logits (batch, labels), labels (batch,)."""
        return nn.functional.cross_entropy(logits, labels)

    def outcomes(self, rows: Dataset, logits: NDArray[np.float32]) -> pd.DataFrame:
        """Return one row per example, in the order of ``rows``; logits are (examples, labels)."""
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        labels, each = np.asarray(rows["label"][:]), np.arange(len(logits))
        predictions = logits.argmax(axis=1)
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "label": labels,
                "prediction": predictions,
                "correct": predictions == labels,
                "confidence": np.exp(log_probabilities[each, predictions]),
                "log_likelihood": log_probabilities[each, labels],
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return accuracy and macro F1 over all labels of the task."""
        from sklearn.metrics import f1_score

        truth, predicted = outcomes["label"], outcomes["prediction"]
        macro = f1_score(truth, predicted, labels=range(task_labels), average="macro", zero_division=0)
        return {"accuracy": float(outcomes["correct"].mean()), "macro_f1": float(macro)}

    def majority(self, train_labels: Iterable[int], test_labels: Iterable[int]) -> float:
        """Return the accuracy of always answering the most frequent training label."""
        answer = np.bincount(np.asarray(list(train_labels))).argmax()
        return float(np.mean(np.asarray(list(test_labels)) == answer))


KIND = Classification()
