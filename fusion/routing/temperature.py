"""Temperatures: an adapter's logits are divided by one, so that its confidence can be compared with another's.

Guo et al. 2017, arXiv:1706.04599, section 4.2: T minimises the cross-entropy of softmax(z ÷ T) on held-out rows. What
differs: of n rows each target is (n [y = label] + 1) ÷ (n + labels), as Platt (1999) smooths those of two labels. So T
does not go to 0 where every held-out answer is right.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

BOUNDS = (-5.0, 5.0)  # of ln T


def temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """Return T.

    Args:
        logits: of held-out rows (n, labels).
        labels: the right ones (n,).
    """
    from scipy.optimize import minimize_scalar  # takes long to import

    count, size = logits.shape
    targets = (count * np.eye(size)[labels] + 1) / (count + size)  # (n, labels)

    def loss(logarithm: float) -> float:
        return -float((targets * _log_softmax(logits, math.exp(logarithm))).sum())

    return math.exp(minimize_scalar(loss, bounds=BOUNDS, method="bounded").x)


def fitted_temperature(adapter: StoredAdapter, rows: Dataset, backbone: Backbone) -> float:
    """Return the temperature of a stored adapter on labelled ``rows`` of its own task."""
    return temperature(_logits(adapter, rows, backbone), np.asarray(rows["label"][:]))


def confidence(adapter: StoredAdapter, rows: Dataset, backbone: Backbone, divisor: float) -> NDArray[np.float64]:
    """Return for each row the largest probability of an adapter whose logits are divided by ``divisor``: (n,)."""
    largest: NDArray[np.float64] = np.exp(_log_softmax(_logits(adapter, rows, backbone), divisor)).max(axis=1)
    return largest


def _logits(adapter: StoredAdapter, rows: Dataset, backbone: Backbone) -> NDArray[np.float32]:
    model = open_adapter(adapter, backbone)
    return predict(model, rows, backbone.tokenizer, adapter.manifest.budget.max_length)


def _log_softmax(logits: NDArray[np.floating[Any]], divisor: float) -> NDArray[np.float64]:
    scaled = logits.astype(np.float64) / divisor
    logs: NDArray[np.float64] = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
    return logs
