"""classification: one of several labels for a text or a pair of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from torch import nn

from workbench.batching import in_batches
from workbench.kinds._programs import CLASSIFICATION

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from workbench.backbone import Backbone
    from workbench.model import TaskModel


class Classification:
    """A linear layer on the text's feature vector, trained with cross-entropy, scored by accuracy.

    Rows of a union of tasks have a ``group``, the head that answers them; rows that are rehearsed may have
    ``remembered`` logits.
    """

    metric = "accuracy"
    usage = CLASSIFICATION

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a linear layer (hidden_size → task_labels)."""
        return nn.Linear(backbone.config.hidden_size, task_labels)

    def questions(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Tokenise, cutting what is longer than ``max_length`` tokens (of a pair, the longer text first)."""
        columns = dict(_tokenised(rows, lambda *texts: tokenizer(*texts, truncation=True, max_length=max_length)))
        if "group" in rows.column_names:
            columns["group"] = rows["group"][:]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def lengths(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
        """Count the tokens of each text or pair, special tokens included."""
        found = _tokenised(rows, lambda *texts: tokenizer(*texts, truncation=False, verbose=False))
        ids = found["input_ids"]
        return [len(each) for each in ids], [0] * len(ids)

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the questions, each with its label, and with the logits that it is to be held to where it has some."""
        columns = {"label": "labels", "remembered": "remembered"}
        given = {key: rows[name][:] for name, key in columns.items() if name in rows.column_names}
        answers = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
        questions = self.questions(rows, tokenizer, max_length)
        return [{**row, **answer} for row, answer in zip(questions, answers, strict=True)]

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad to the longest text of the batch."""
        from transformers import DataCollatorWithPadding

        collator: Callable[[list[dict[str, Any]]], dict[str, Tensor]] = DataCollatorWithPadding(tokenizer)
        return collator

    def read(self, model: TaskModel, inputs: dict[str, Tensor], labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the texts' feature vectors (batch, hidden_size), and the labels (batch,) as they are."""
        return model.features(**inputs), labels

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy: logits (batch, labels), labels (batch,)."""
        return nn.functional.cross_entropy(logits, labels)

    def answers(
        self, model: TaskModel, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> NDArray[np.float32]:
        """Return the logits (examples, labels)."""

        def call(_: list[int], batch: dict[str, Tensor]) -> NDArray[np.float32]:
            logits: NDArray[np.float32] = model(**batch)["logits"].float().cpu().numpy()
            return logits

        return np.stack(in_batches(call, model, self.questions(rows, tokenizer, max_length), self.collate(tokenizer)))

    def digest(self, answers: NDArray[np.float32]) -> str:
        """Return the SHA-256 of the logits' bytes."""
        return hashlib.sha256(answers.tobytes()).hexdigest()

    def outcomes(self, rows: Dataset, answers: NDArray[np.float32]) -> pd.DataFrame:
        """Return one row per example, in the order of ``rows``; answers are logits (examples, labels)."""
        log_probabilities, predictions = _log_softmax(answers), answers.argmax(axis=1)
        labels, each = np.asarray(rows["label"][:]), np.arange(len(answers))
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

    def say(self, answers: NDArray[np.float32], labels: Sequence[str]) -> list[tuple[str, float]]:
        """Return each text's most likely label, and its probability."""
        probabilities = np.exp(_log_softmax(answers))
        return [(labels[row.argmax()], float(row.max())) for row in probabilities]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the accuracy of always answering the most frequent training label."""
        answer = np.bincount(np.asarray(train["label"][:])).argmax()
        return float(np.mean(np.asarray(test["label"][:]) == answer))


def _tokenised(rows: Dataset, tokenize: Callable[..., Any]) -> Mapping[str, list[Any]]:
    """Return what ``tokenize`` makes of the texts, by column; in a union of tasks only some rows may be pairs."""
    texts = [rows[name][:] for name in ("text", "text_pair") if name in rows.column_names]
    if all(None not in column for column in texts):
        found: Mapping[str, list[Any]] = tokenize(*texts)
        return found
    each = [tokenize(*(text for text in row if text is not None)) for row in zip(*texts, strict=True)]
    return {name: [row[name] for row in each] for name in each[0]}


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


KIND = Classification()
