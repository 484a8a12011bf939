"""multilabel: any number of labels for a text or a pair of texts, each predicted separately."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.measures.label_counts import LabelCounts
from adapter_workbench.workbench.methods.kinds._programs import MULTILABEL
from adapter_workbench.workbench.methods.kinds._texts import ReadsTexts

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.pretrained import Backbone

NO_LABEL = -1
THRESHOLD = 0.5  # a label is given where its probability is above


class MultiLabel(ReadsTexts):
    """A linear layer and a sigmoid for each label, trained with binary cross-entropy, scored by micro F1.

    Micro F1 pools the decisions of all examples and labels; it is what LexGLUE (Chalkidis et al. 2022,
    arXiv:2110.00976) names first for EURLEX and ECtHR, and unlike accuracy it is not lifted by labels that are seldom
    given. Macro F1, where each label counts the same, stands beside it.
    """

    metric = "micro_f1"
    pipeline_tag = "text-classification"
    target = "labels"
    columns: ClassVar = {"labels": "labels"}
    usage = MULTILABEL

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a linear layer (width of the states → task_labels)."""
        return nn.Linear(state_width(backbone.config), task_labels)

    def collate(self, tokenizer: PreTrainedTokenizerBase) -> Callable[[list[dict[str, Any]]], dict[str, Tensor]]:
        """Pad to the longest text of the batch; sets of labels are padded with −1, which is no label."""
        pad = super().collate(tokenizer)

        def batch(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
            sets = [torch.tensor(row["labels"], dtype=torch.long) for row in rows if "labels" in row]
            inputs = dict(pad([{name: row[name] for name in row if name != "labels"} for row in rows]))
            return {**inputs, "labels": pad_sequence(sets, True, NO_LABEL)} if sets else inputs

        return batch

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean binary cross-entropy over all decisions: logits (batch, labels), sets of labels (batch, most)."""
        indicators = torch.zeros(len(logits), logits.shape[1] + 1, device=logits.device)
        indicators.scatter_(1, labels.where(labels != NO_LABEL, logits.shape[1]), 1.0)  # the last column is of no label
        return nn.functional.binary_cross_entropy_with_logits(logits, indicators[:, :-1])

    def digest(self, answers: NDArray[np.float32]) -> str:
        """Return the SHA-256 of the logits' bytes."""
        return hashlib.sha256(answers.tobytes()).hexdigest()

    def outcomes(self, rows: Dataset, answers: NDArray[np.float32]) -> pd.DataFrame:
        """Return one row per example; answers are logits (examples, labels).

        Columns: id, label and prediction (label indices, with spaces), ``correct`` (exactly the right set),
        ``confidence`` (probability of the set given, labels being independent), ``log_likelihood`` (of the right set),
        and ``probability-k`` and ``right-k`` of each label k.
        """
        import pandas as pd

        right = _indicators(rows["labels"][:], answers.shape[1])
        probabilities, answered = _sigmoid(answers), answers > 0
        sure = np.where(answered, probabilities, 1 - probabilities)
        likely = -np.logaddexp(0, np.where(right, -answers, answers).astype(np.float64))  # ln σ(±z)
        by_label = {f"probability-{k}": column for k, column in enumerate(probabilities.T)}
        by_label |= {f"wanted-{k}": column for k, column in enumerate(right.T)}
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "label": _label_numbers(right),
                "prediction": _label_numbers(answered),
                "correct": (right == answered).all(axis=1),
                "confidence": sure.prod(axis=1),
                "log_likelihood": likely.sum(axis=1),
                **by_label,
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return micro and macro F1, the share of exactly right sets, and mean average precision over the labels.

        A label that no example of the split has counts as 0 in macro F1 and is left out of the mean of average
        precisions (the areas under its precision-recall curve).
        """
        from sklearn.metrics import average_precision_score, f1_score

        probabilities = outcomes[[f"probability-{k}" for k in range(task_labels)]].to_numpy()
        right = outcomes[[f"wanted-{k}" for k in range(task_labels)]].to_numpy()
        answered, seen = probabilities > THRESHOLD, right.any(axis=0)
        precision = average_precision_score(right[:, seen], probabilities[:, seen]) if seen.any() else 0.0
        return {
            "micro_f1": float(f1_score(right, answered, average="micro", zero_division=0)),
            "macro_f1": float(f1_score(right, answered, average="macro", zero_division=0)),
            "exact_match": float(outcomes["correct"].mean()),
            "mean_average_precision": float(precision),
        }

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> LabelCounts:
        right, answered = _decisions(outcomes, len(labels))
        hits, times = (right & answered).astype(np.int64), np.ones(len(outcomes), dtype=np.int64)
        return LabelCounts(tuple(labels), right.astype(np.int64), answered.astype(np.int64), hits, times)

    def say(self, answers: NDArray[np.float32], labels: Sequence[str]) -> list[tuple[str, float | None]]:
        """Return each text's labels, joined by commas (empty where there are none), and the probability of that set."""
        probabilities, answered = _sigmoid(answers), answers > 0
        sure = np.where(answered, probabilities, 1 - probabilities).prod(axis=1)
        sets = self.values(answers, labels)
        return [(", ".join(names), float(probability)) for names, probability in zip(sets, sure, strict=True)]

    def values(self, answers: NDArray[np.float32], labels: Sequence[str]) -> list[list[str]]:
        """Return each text's labels, in the order of the task's."""
        return [[label for label, is_given in zip(labels, row, strict=True) if is_given] for row in answers > 0]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test micro F1 of always giving the training split's most frequent label (the first of equals).

        The most frequent set may be the empty one, which scores 0 whatever the task is.
        """
        answer = Counter(label for label_set in train["labels"][:] for label in label_set).most_common(1)
        sets = test["labels"][:]
        hits = sum(answer[0][0] in label_set for label_set in sets) if answer else 0
        return 2 * hits / (len(sets) + sum(map(len, sets)))  # F1 = 2 hits ÷ (given + wanted)


def _decisions(outcomes: pd.DataFrame, labels: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each example has each label, and whether it gets it, both (examples, labels)."""
    right = outcomes[[f"wanted-{k}" for k in range(labels)]].to_numpy(dtype=bool)
    return right, outcomes[[f"probability-{k}" for k in range(labels)]].to_numpy() > THRESHOLD


def _indicators(sets: Sequence[Sequence[int]], labels: int) -> NDArray[np.bool_]:
    """Return whether each example has each label (examples, labels)."""
    indicators = np.zeros((len(sets), labels), dtype=bool)
    for row, label_set in zip(indicators, sets, strict=True):
        row[list(label_set)] = True
    return indicators


def _label_numbers(indicators: NDArray[np.bool_]) -> list[str]:
    return [" ".join(map(str, np.flatnonzero(row))) for row in indicators]


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    probabilities: NDArray[np.float64] = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return probabilities


KIND = MultiLabel()
