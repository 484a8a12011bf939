"""classification: one of several labels for a text or a pair of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from torch import nn

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.measures.label_counts import counts_of_pairs
from adapter_workbench.workbench.measures.softmax import log_softmax
from adapter_workbench.workbench.methods.kinds._programs import CLASSIFICATION
from adapter_workbench.workbench.methods.kinds._texts import ReadsTexts

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.measures.label_counts import LabelCounts


class Classification(ReadsTexts):
    """A linear layer on the text's feature vector, trained with cross-entropy, scored by accuracy.

    Rows of a union of tasks have a ``group``, the head that answers them; rows that are rehearsed may have
    ``remembered`` logits.
    """

    metric = "accuracy"
    pipeline_tag = "text-classification"
    target = "label"
    columns: ClassVar = {"label": "labels", "remembered": "remembered"}
    usage = CLASSIFICATION

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a linear layer (width of the states → task_labels)."""
        return nn.Linear(state_width(backbone.config), task_labels)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy: logits (batch, labels), labels (batch,)."""
        return nn.functional.cross_entropy(logits, labels)

    def digest(self, answers: NDArray[np.float32]) -> str:
        """Return the SHA-256 of the logits' bytes."""
        return hashlib.sha256(answers.tobytes()).hexdigest()

    def outcomes(self, rows: Dataset, answers: NDArray[np.float32]) -> pd.DataFrame:
        """Return one row per example, in the order of ``rows``; answers are logits (examples, labels)."""
        import pandas as pd

        log_probabilities, predictions = log_softmax(answers), answers.argmax(axis=1)
        labels, examples = np.asarray(rows["label"][:]), np.arange(len(answers))
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "label": labels,
                "prediction": predictions,
                "correct": predictions == labels,
                "confidence": np.exp(log_probabilities[examples, predictions]),
                "log_likelihood": log_probabilities[examples, labels],
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return accuracy and macro F1 over all labels of the task."""
        macro = _macro_f1(outcomes["label"].to_numpy(), outcomes["prediction"].to_numpy(), task_labels)
        return {"accuracy": float(outcomes["correct"].mean()), "macro_f1": macro}

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> LabelCounts:
        return counts_of_pairs(outcomes["label"].to_numpy(), outcomes["prediction"].to_numpy(), labels)

    def say(self, answers: NDArray[np.float32], labels: Sequence[str]) -> list[tuple[str, float]]:
        """Return each text's most likely label, and its probability."""
        probabilities = np.exp(log_softmax(answers))
        return [(labels[row.argmax()], float(row.max())) for row in probabilities]

    def values(self, answers: NDArray[np.float32], labels: Sequence[str]) -> list[str]:
        """Return each text's most likely label."""
        return [labels[index] for index in answers.argmax(axis=1)]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the accuracy of always answering the most frequent training label."""
        answer = np.bincount(np.asarray(train["label"][:])).argmax()
        return float(np.mean(np.asarray(test["label"][:]) == answer))


def _macro_f1(truth: NDArray[np.int64], predicted: NDArray[np.int64], labels: int) -> float:
    """Return the mean over all labels of 2 TP / (2 TP + FP + FN); a label that nobody gave or predicted counts 0.

    Both are (examples,). It is computed after every epoch, and scikit-learn's takes longer than a small validation.
    """
    hits = np.bincount(truth[truth == predicted], minlength=labels)
    either = np.bincount(truth, minlength=labels) + np.bincount(predicted, minlength=labels)
    scores = np.divide(2.0 * hits, either, out=np.zeros(labels), where=either > 0)
    return float(np.mean(scores))


KIND = Classification()
