"""regression: one number for a text or a pair of texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.methods.kinds._programs import REGRESSION
from adapter_workbench.workbench.methods.kinds._texts import ReadsTexts

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.network import Network
    from adapter_workbench.workbench.backbone.pretrained import Backbone


class Regression(ReadsTexts):
    """A linear layer with one output, trained with the squared error, scored by explained variance.

    The layer predicts the value less the training values' mean, in units of their standard deviation; each row
    has both (``centre``, ``spread``), so that a learning rate means the same whatever the unit is.

    The main score is R² = 1 − Σ(y − ŷ)² ÷ Σ(y − ȳ)². It is the mean over examples of 1 − (y − ŷ)² ÷ var(y), so that two
    models can be compared by a paired bootstrap over examples, which a correlation, no mean of anything, does not
    allow; always answering the mean scores about 0, as a majority baseline should; and where another task shifts or
    scales all answers it falls, while a correlation stays. It may be negative, however far. GLUE reports STS-B by
    Pearson and Spearman correlation: both are there, and their mean (``pearson_spearman``).
    """

    metric = "r2"
    pipeline_tag = "text-classification"
    target = "value"
    columns: ClassVar = {"standardised": "labels"}
    usage = REGRESSION

    def head(self, backbone: Backbone, task_labels: int) -> nn.Module:
        """Return a linear layer (width of the states → 1)."""
        return nn.Linear(state_width(backbone.config), 1)

    def encode(self, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[dict[str, Any]]:
        """Return the questions, each with its value in standard deviations from the training values' mean."""
        centre, spread = _scale(rows)
        standardised = (np.asarray(rows["value"][:]) - centre) / spread
        questions = self.questions(rows, tokenizer, max_length)
        return [{**row, "labels": float(value)} for row, value in zip(questions, standardised, strict=True)]

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean squared error: logits (batch, 1), labels (batch,)."""
        return nn.functional.mse_loss(logits.squeeze(-1), labels.to(torch.float32))

    def answers(
        self, model: Network, rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int
    ) -> NDArray[np.float64]:
        """Return the values (examples,), in the unit of the task."""
        centre, spread = _scale(rows)
        logits: NDArray[np.float32] = super().answers(model, rows, tokenizer, max_length)
        return np.asarray(logits[:, 0].astype(np.float64) * spread + centre)

    def digest(self, answers: NDArray[np.float64]) -> str:
        """Return the SHA-256 of the values' bytes."""
        return hashlib.sha256(answers.tobytes()).hexdigest()

    def outcomes(self, rows: Dataset, answers: NDArray[np.float64]) -> pd.DataFrame:
        """Return one row per example.

        Columns: id, ``value`` (the right one), ``prediction``, ``error`` (prediction − value), ``score``
        (1 − error² ÷ variance of the values here), ``correct`` (the error is within one standard deviation of them),
        ``confidence`` (not known), ``log_likelihood`` (of the value, under a normal distribution around the prediction
        with the training values' standard deviation).
        """
        import pandas as pd

        values, (_, spread) = np.asarray(rows["value"][:], dtype=np.float64), _scale(rows)
        error = answers - values
        score = _explained_share(error, values)
        return pd.DataFrame(
            {
                "id": rows["id"][:],
                "value": values,
                "prediction": answers,
                "error": error,
                "score": score,
                "correct": score >= 0,
                "confidence": np.nan,
                "log_likelihood": -0.5 * (error / spread) ** 2 - np.log(spread) - 0.5 * np.log(2 * np.pi),
            }
        )

    def scores(self, outcomes: pd.DataFrame, task_labels: int) -> dict[str, float]:
        """Return R², Pearson's and Spearman's correlation and their mean, mean absolute and root mean squared error.

        A correlation with answers that are all the same is 0.
        """
        values, answers, error = (outcomes[name].to_numpy() for name in ("value", "prediction", "error"))
        pearson = _correlation(values, answers)
        spearman = _correlation(_ranks(values), _ranks(answers))
        return {
            "r2": float(outcomes["score"].mean()),
            "pearson": pearson,
            "spearman": spearman,
            "pearson_spearman": (pearson + spearman) / 2,
            "mae": float(np.abs(error).mean()),
            "rmse": float(np.sqrt(np.mean(error**2))),
        }

    def label_counts(self, outcomes: pd.DataFrame, labels: Sequence[str]) -> None:
        """Return None: numbers have no labels."""

    def say(self, answers: NDArray[np.float64], labels: Sequence[str]) -> list[tuple[str, float | None]]:
        """Return each value with four significant digits; the model has no confidence in it."""
        return [(f"{value:.4g}", None) for value in answers]

    def values(self, answers: NDArray[np.float64], labels: Sequence[str]) -> list[float]:
        """Return each value, in the unit of the training values."""
        return [float(value) for value in answers]

    def majority(self, train: Dataset, test: Dataset) -> float:
        """Return the test R² of always answering the training values' mean, which no constant beats there."""
        values = np.asarray(test["value"][:], dtype=np.float64)
        return float(_explained_share(np.mean(train["value"][:]) - values, values).mean())


def _scale(rows: Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the standard deviation by which each row's value is standardised, (examples,) each."""
    centre, spread = (np.asarray(rows[name][:], dtype=np.float64) for name in ("centre", "spread"))
    return centre, spread


def _explained_share(error: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 − error² ÷ var(values) (examples,); where values do not vary, 1 for no error and 0 for any."""
    variance = values.var() if (values != values[:1]).any() else 0.0  # that of equal values may be a rounding error
    explained: NDArray[np.float64] = 1 - error**2 / variance if variance else (error == 0).astype(np.float64)
    return explained


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import pandas as pd

    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if not np.ptp(first) or not np.ptp(second):
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


KIND = Regression()
