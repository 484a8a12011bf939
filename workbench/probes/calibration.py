"""calibration: how far the model's confidence is from its accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

BINS = 15


class Calibration:
    """Expected calibration error of the answers to the test split (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    ``ece`` = Σ_m |B_m| ÷ n · |accuracy(B_m) − confidence(B_m)|, B_m: confidence in ((m − 1) ÷ 15, m ÷ 15].
    ``overconfidence`` = mean confidence − accuracy keeps the sign; its size is at most the ECE. An answer without a
    confidence (generated text of no token) is left out of both.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = False

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why there is no confidence to hold against the answers, or None."""
        return "a predicted number has no confidence" if kind == "regression" else None

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``ece``, in [0, 1], and ``overconfidence``, in [−1, 1]."""
        confidence, correct = with_confidence(context.outcomes)
        if not len(confidence):
            return {}
        return {
            "ece": calibration_error(confidence, correct),
            "overconfidence": float(confidence.mean() - correct.mean()),
        }


def with_confidence(outcomes: pd.DataFrame) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return confidence and correctness (n,) of the answers that have a confidence."""
    confidence = outcomes["confidence"].to_numpy(dtype=np.float64)
    correct = outcomes["correct"].to_numpy(dtype=np.float64)
    has_confidence = np.isfinite(confidence)
    return confidence[has_confidence], correct[has_confidence]


def calibration_error(confidence: NDArray[Any], correct: NDArray[Any]) -> float:
    """Return the ECE over 15 bins of equal width; both (n,), ``confidence`` in [0, 1] and ``correct`` 0 or 1."""
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=BINS)  # |B_m| · (accuracy − confidence)
    return float(np.abs(gaps).sum() / len(confidence))


PROBE: Probe = Calibration()
