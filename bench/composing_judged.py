"""How good a prediction of composing's gain is on cases that it was not fitted on, and whether that is good enough.

The scores, the intervals, the baselines and the rule are registered in ``docs/evidence/predicting.md``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from bench.composing_cases import Case

    Array = NDArray[np.float64]

DRAWS = 10_000


@dataclass(frozen=True)
class Predicted:
    """A case with its probabilities that composing gains.

    Attributes:
        probability: the model's.
        base_rate: that of the cases that the model was fitted on.
    """

    case: Case
    probability: float
    base_rate: float


@dataclass(frozen=True)
class Bounded:
    """A value with its 95 % interval over targets and seeds."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """How good the predictions are.

    Attributes:
        cases, targets, gaining: how many cases and targets there are, and in how many cases composing gains.
        scores: ``brier`` of the model, its differences ``minus_best_source`` from that of probability 0 and
            ``minus_base_rate`` from that of the base rate, ``rank_correlation``, and what is ``followed``: the mean
            score that is gained by composing where the probability is above one half.
    """

    cases: int
    targets: int
    gaining: int
    scores: Mapping[str, Bounded]

    @property
    def ships(self) -> bool:
        """Whether the prediction is good enough for a command."""
        better = all(self.scores[name].value < 0 for name in ("minus_best_source", "minus_base_rate"))
        return better and self.scores["rank_correlation"].low > 0

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers."""
        return {**asdict(self), "ships": self.ships}


@dataclass(frozen=True)
class _Target:
    """The cases of one target: an experiment with a K in each row, a seed in each column."""

    gains: Array
    probabilities: Array
    base_rate: float
    margins: Array  # (rows, 1)

    @property
    def gaining(self) -> Array:
        """1 where composing gains, for each case."""
        return np.broadcast_to(self.gains.mean(axis=1, keepdims=True) > self.margins, self.gains.shape).astype(float)

    def drawn(self, generator: Generator) -> _Target:
        """Return the target with as many of its seeds, drawn with replacement."""
        seeds = generator.integers(self.gains.shape[1], size=self.gains.shape[1])
        return _Target(self.gains[:, seeds], self.probabilities[:, seeds], self.base_rate, self.margins)


def judge(predicted: Sequence[Predicted], draws: int = DRAWS, seed: int = 0) -> Judgement:
    """Return how good predictions are, with bootstrap intervals: targets are drawn, and in each of them its seeds.

    Raises:
        InputError: a target has other seeds with one K than with another.
    """
    targets = [_target(predicted, name) for name in dict.fromkeys(prediction.case.target for prediction in predicted)]
    generator = np.random.default_rng(seed)
    drawn = [
        _scores([targets[index].drawn(generator) for index in generator.integers(len(targets), size=len(targets))])
        for _ in range(draws)
    ]
    gaining = int(sum(target.gaining.sum() for target in targets))
    scores = {
        name: Bounded(value, *np.quantile([draw[name] for draw in drawn], [0.025, 0.975]).tolist())
        for name, value in _scores(targets).items()
    }
    return Judgement(len(predicted), len(targets), gaining, scores)


def _target(predicted: Sequence[Predicted], name: str) -> _Target:
    own = [prediction for prediction in predicted if prediction.case.target == name]
    rows = dict.fromkeys((prediction.case.experiment, prediction.case.shots) for prediction in own)
    by_row = [
        [prediction for prediction in own if (prediction.case.experiment, prediction.case.shots) == row] for row in rows
    ]
    by_row = [sorted(row, key=lambda prediction: prediction.case.seed) for row in by_row]
    if len({tuple(prediction.case.seed for prediction in row) for row in by_row}) > 1:
        raise InputError(f"{name} has other seeds with one K than with another")
    return _Target(
        gains=np.asarray([[prediction.case.gain for prediction in row] for row in by_row]),
        probabilities=np.asarray([[prediction.probability for prediction in row] for row in by_row]),
        base_rate=own[0].base_rate,
        margins=np.asarray([[row[0].case.margin] for row in by_row]),
    )


def _scores(targets: Sequence[_Target]) -> dict[str, float]:
    """Return each score: mean over the cases of a target, then over targets; of ranks, over all cases."""
    brier = np.mean([_squared(target.probabilities, target) for target in targets])
    return {
        "brier": float(brier),
        "minus_best_source": float(brier - np.mean([_squared(0.0, target) for target in targets])),
        "minus_base_rate": float(brier - np.mean([_squared(target.base_rate, target) for target in targets])),
        "rank_correlation": _rank_correlation(
            np.concatenate([target.probabilities.ravel() for target in targets]),
            np.concatenate([target.gains.ravel() for target in targets]),
        ),
        "followed": float(np.mean([(target.gains * (target.probabilities > 0.5)).mean() for target in targets])),
    }


def _squared(probabilities: Array | float, target: _Target) -> float:
    return float(((probabilities - target.gaining) ** 2).mean())


def _rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's correlation of two (n,); 0 where one of them is constant."""
    from scipy.stats import rankdata

    ranks, others = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    norm = float(np.sqrt((ranks @ ranks) * (others @ others)))
    return float(ranks @ others) / norm if norm else 0.0
