"""An estimated difference, its standard error, and the two questions asked of it: does it differ, is it equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adapter_workbench.workbench.measures.statistics import ROUNDING, Array, Interval

if TYPE_CHECKING:
    from collections.abc import Hashable


class Moments(NamedTuple):
    """Differences of mean scores with what is known of their spread, of one comparison or of arrays of them."""

    difference: Array  # first − second, in the unit of the scores
    error: Array  # standard error of the difference; 0 where nothing tells the spread
    freedom: Array  # degrees of freedom of the error

    def differs(self) -> Array:
        """Return the two-sided p of difference = 0 (Student, 1908).

        Without a standard error it is 1 where the difference is 0, and else NaN: equal differences over a few seeds
        tell that the spread is small, not that it is 0.
        """
        from scipy.special import stdtr  # not for a lone seed, which is what most commands see

        difference, error, freedom = np.broadcast_arrays(*self)
        known = error > ROUNDING
        p = 2 * stdtr(freedom, -np.abs(difference) / np.where(known, error, 1.0))
        return np.where(known, p, np.where(np.abs(difference) <= ROUNDING, 1.0, np.nan))

    def equals(self, margin: float) -> Array:
        """Return the p of |difference| ≥ ``margin``: two one-sided tests, the larger p (Schuirmann, 1987).

        NaN where there is no standard error.
        """
        from scipy.special import stdtr

        difference, error, freedom = np.broadcast_arrays(*self)
        known = error > ROUNDING
        p = stdtr(freedom, -(margin - np.abs(difference)) / np.where(known, error, 1.0))
        return np.where(known, p, np.nan)


@dataclass(frozen=True)
class Estimate:
    """One difference of mean scores as a declared test sees it."""

    difference: float  # first − second, in the unit of the scores
    error: float  # standard error; 0 where nothing tells the spread
    freedom: float  # degrees of freedom of the error, not always whole
    test: str = "paired"  # how the error was estimated: ``paired``, ``pooled``, ``stratified``
    # the differences that it is the mean of. Two estimates of the same differences are one hypothesis
    values: tuple[float, ...] = ()
    fixed: float = 0.0  # the part of error² that no further seed lowers: what the sample of test examples brings in

    @property
    def moments(self) -> Moments:
        """The same as arrays without an axis."""
        return Moments(np.asarray(self.difference), np.asarray(self.error), np.asarray(self.freedom))

    @property
    def p(self) -> float | None:
        """The two-sided p of difference = 0; None where nothing tells the spread of a difference."""
        return _known(self.moments.differs())

    @property
    def hypothesis(self) -> Hashable:
        """What is equal for two estimates that test the same thing."""
        return (self.difference, self.error, self.freedom, self.values)

    def p_equal(self, margin: float) -> float | None:
        """Return the p of |difference| ≥ ``margin``; None where nothing tells the spread.

        Raises:
            ValueError: the margin is not positive.
        """
        if not margin > 0:
            raise ValueError(f"a margin of equality is positive: got {margin}")
        return _known(self.moments.equals(margin))

    def interval(self, confidence: float = 0.95) -> Interval:
        """Return difference ± t · error; without bounds where nothing tells the spread.

        The difference is equal within a margin at level α just where the interval of confidence 1 − 2α lies within it.
        """
        from scipy.special import stdtrit

        if self.error <= ROUNDING:
            return Interval(self.difference, None, None, self.values)
        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return Interval(self.difference, self.difference - half, self.difference + half, self.values)


def _known(p: Array) -> float | None:
    return None if np.isnan(p) else float(p)
