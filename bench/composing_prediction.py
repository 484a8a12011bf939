"""How likely composing gains, from what is known before; ``docs/evidence/predicting.md`` registers the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.errors import InputError
from bench.composing_inputs import INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench.composing_cases import Case
    from bench.composing_inputs import KnownBefore

    Array = NDArray[np.float64]

C = 1.0  # inverse strength of the penalty ½‖w‖²
UNLIKELY, LIKELY = 1 / 3, 2 / 3


@dataclass(frozen=True)
class Model:
    """P(composing gains) = σ(intercept + Σ weight (input − mean) ÷ deviation), in the order of ``INPUTS``.

    Attributes:
        base_rate: the share of gaining among the cases that it was fitted on, each target weighing 1.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    base_rate: float

    def probability(self, before: KnownBefore) -> float:
        """Return the probability that composing gains more than the margin."""
        inputs = np.asarray([*before.inputs.values()])
        logit = self.intercept + np.asarray(self.weights) @ ((inputs - self.means) / self.deviations)
        return float(1 / (1 + np.exp(-logit)))

    def as_json(self) -> dict[str, Any]:
        """Return the model by input."""
        parts = zip(INPUTS, self.means, self.deviations, self.weights, strict=True)
        inputs = {name: {"mean": mean, "deviation": sd, "weight": weight} for name, mean, sd, weight in parts}
        return {"inputs": inputs, "intercept": self.intercept, "base_rate": self.base_rate}


def answers(cases: Sequence[Case]) -> list[bool]:
    """Return for each case whether composing gains with its target and K: in the mean over seeds, above the margin."""
    gains: dict[tuple[str, str, int], list[float]] = {}
    for case in cases:
        gains.setdefault((case.experiment, case.target, case.shots), []).append(case.gain)
    return [float(np.mean(gains[case.experiment, case.target, case.shots])) > case.margin for case in cases]


def fit(cases: Sequence[Case]) -> Model:
    """Return the model of these cases, in which each target weighs 1.

    Raises:
        InputError: composing gains in all of them, or in none.
    """
    from sklearn.linear_model import LogisticRegression  # takes long to import

    inputs, gained = np.asarray([[*case.before.inputs.values()] for case in cases]), np.asarray(answers(cases))
    if len({*gained.tolist()}) < 2:
        share = "all" if gained.any() else "none"
        raise InputError(f"nothing can be fitted, since composing gains in {share} of {len(cases)} cases")
    targets = [case.target for case in cases]
    shares = np.asarray([1 / targets.count(target) for target in targets])
    means, spread = inputs.mean(axis=0), inputs.std(axis=0)
    deviations = np.where(spread > 0, spread, 1.0)
    fitted = LogisticRegression(C=C).fit((inputs - means) / deviations, gained, sample_weight=shares)
    return Model(
        means=tuple(means.tolist()),
        deviations=tuple(deviations.tolist()),
        weights=tuple(fitted.coef_[0].tolist()),
        intercept=float(fitted.intercept_[0]),
        base_rate=float(np.average(gained, weights=shares)),
    )


def sentence(probability: float, source: str, margin: float) -> str:
    """Return the prediction in words; ``source`` is the best single source, ``margin`` a share."""
    word = "unlikely" if probability < UNLIKELY else "likely" if probability > LIKELY else "open"
    how_likely = f"{100 * probability:.0f} %"
    gain = f"beat starting from {source} by more than {100 * margin:g} points"
    if word == "open":
        return f"It is open ({how_likely}) whether composing would {gain}."
    return f"Composing is {word} ({how_likely}) to {gain}."
