"""A head on frozen features: logistic regression with its strength chosen on the validation split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from adapter_workbench.workbench.errors import InputError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

Features = NDArray[np.floating[Any]]  # (examples, hidden_size)

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # inverse regularisation, strongest first
ABSENT = -30.0  # logit of a label without examples; the others' sum is 0, so their largest is never below 0
STEPS = 1000


Criterion = Literal["accuracy", "likelihood"]


@dataclass(frozen=True)
class FittedHead:
    """A head, and how it was chosen."""

    head: nn.Linear  # linear layer, raw features (batch, hidden_size) → logits (batch, labels)
    inverse_regularisation: float  # C of the chosen fit, an entry of ``GRID``
    validation: float  # its accuracy on the validation split, in [0, 1]
    validation_log_likelihood: float  # its mean log-likelihood there


def fit_head(
    train_features: Features,
    train_labels: Sequence[int],
    validation_features: Features,
    validation_labels: Sequence[int],
    labels: int,
    by: Criterion = "accuracy",
) -> FittedHead:
    """Return the multinomial logistic regression that does best on the validation split.

    For each C of :data:`GRID`, with z the features standardised by the training split's mean and deviation,
    min over W, b of ½‖W‖² + C Σ_i −log softmax(W z_i + b)[y_i]; with examples of two labels ‖W‖² in place of ½‖W‖²,
    since scikit-learn then penalises the difference of their rows. The highest validation accuracy wins; of equal ones
    the higher likelihood, then the stronger regularisation. The standardisation is folded into the layer. A feature
    that varies less than float32 resolves of the one that varies most counts as constant. A label without a training
    example has weight 0 and a logit of :data:`ABSENT`: it is never the answer.

    Args:
        train_features: (n, hidden_size).
        train_labels: (n,) in 0 … labels − 1.
        validation_features: (m, hidden_size).
        validation_labels: (m,).
        labels: how many labels the task has.
        by: what decides first; a head that is to be trained on should be likely, not just right.

    Raises:
        InputError: a split is empty, or holds a label that the task does not have.
        TrainingError: a feature is not finite.
    """
    train = checked_split("training", train_features, train_labels, labels)
    validation = checked_split("validation", validation_features, validation_labels, labels)
    heads = []
    for c in GRID:
        weight, bias = fit(*train, labels, c)
        log_likelihood, accuracy = score(weight, bias, *validation)
        heads.append(FittedHead(layer(weight, bias), c, accuracy, log_likelihood))
    if by == "likelihood":
        return max(heads, key=lambda head: head.validation_log_likelihood)
    return max(heads, key=lambda head: (head.validation, head.validation_log_likelihood))


def fit(features: Features, answers: NDArray[np.int64], labels: int, c: float) -> tuple[Features, Features]:
    """Return weight (labels, hidden_size) and bias (labels,) of one fit, for raw features (n, hidden_size)."""
    from sklearn.linear_model import LogisticRegression

    weight, bias = np.zeros((labels, features.shape[1])), np.full(labels, ABSENT)
    present = np.unique(answers)
    if len(present) == 1:  # nothing to tell apart
        bias[present] = 0.0
        return weight, bias
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    still = deviation <= np.finfo(np.float32).eps * deviation.max()  # as MiniLM has: divided by it, a weight of 1e30
    deviation[still] = 1.0  # the feature is constant: it is 0 after centring whatever it is divided by
    regression = LogisticRegression(C=c, max_iter=STEPS).fit((features - mean) / deviation, answers)
    rows, offsets = regression.coef_, regression.intercept_
    if len(present) == 2:  # one row for two labels: logits ∓ half of it give the same probabilities
        rows, offsets = np.vstack([-rows, rows]) / 2, np.concatenate([-offsets, offsets]) / 2
    rows = (rows - rows.mean(axis=0)) / deviation  # logits of the labels that are there sum to 0
    weight[present], bias[present] = rows, offsets - offsets.mean() - rows @ mean
    return weight, bias


def score(weight: Features, bias: Features, features: Features, answers: NDArray[np.int64]) -> tuple[float, float]:
    """Return mean log-likelihood and accuracy of ``answers`` (m,) for ``features`` (m, hidden_size)."""
    from scipy.special import log_softmax

    logits = features @ weight.T + bias  # (m, labels)
    likelihoods = log_softmax(logits, axis=1)[np.arange(len(answers)), answers]
    return float(likelihoods.mean()), float((logits.argmax(axis=1) == answers).mean())


def checked_split(
    split: str, features: Features, answers: Sequence[int], labels: int
) -> tuple[Features, NDArray[np.int64]]:
    """Return features (n, hidden_size) and answers (n,) as a fit takes them; raises what :func:`fit_head` raises."""
    given = np.asarray(answers, dtype=np.int64)
    if len(features) != len(given):
        raise ValueError(f"{len(features)} feature vectors and {len(given)} labels")
    if not len(given):
        raise InputError(f"the {split} split has no examples to fit a head on")
    if given.min() < 0 or given.max() >= labels:
        raise InputError(
            f"the {split} split has labels {given.min()} to {given.max()}, but the task has {labels} labels"
        )
    if not np.isfinite(features).all():
        raise TrainingError(
            f"the features of the {split} split are not all finite",
            hint="The weights of the sources are too large; give smaller ones.",
        )
    return np.asarray(features, dtype=np.float64), given


def layer(weight: Features, bias: Features) -> nn.Linear:
    """Return weight (labels, hidden_size) and bias (labels,) as a head."""
    head = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return head
