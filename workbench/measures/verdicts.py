"""What is said of a difference: higher or lower, equal within a margin, or undecided; of a whole family at once.

Two families of hypotheses are adjusted, each by Holm (1979) at the level: that a difference is 0, and that it is as
large as the margin. So at most 5 % of families have a false "higher" or "lower", and at most 5 % a false "equal". For
one comparison both cannot be false, since a difference of 0 is not as large as the margin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from adapter_workbench.workbench.measures.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from adapter_workbench.workbench.measures.estimate import Estimate

LEVEL = 0.05
Word = Literal["higher", "lower", "equal", "undecided"]


@dataclass(frozen=True)
class Verdict:
    """What a difference comes to, at a level, in its family."""

    # ``higher`` or ``lower`` where the difference is told apart from 0; else ``equal`` where it is within the margin;
    # else ``undecided``
    word: Word
    p: float | None  # of difference = 0, adjusted; None where no test could be made
    p_equal: float | None  # of |difference| ≥ margin, adjusted; None as well where there is no margin
    within: bool  # whether the difference is within the margin, which may be said of one that is higher or lower too
    family: int  # how many distinct hypotheses the family has

    @property
    def is_decided(self) -> bool:
        """Whether anything is said."""
        return self.word != "undecided"


class DifferenceTest(NamedTuple):
    difference: float  # first − second
    p: float | None  # of difference = 0; None where no test could be made
    p_equal: float | None  # of |difference| ≥ margin; None as well where there is no margin
    hypothesis: Hashable  # what is equal for identical tests


def verdicts(
    estimates: Mapping[str, Estimate | None], margin: float | None = None, level: float = LEVEL
) -> dict[str, Verdict]:
    """Return the verdict on each difference of a family that was declared before there was a result.

    Args:
        estimates: by label; None where there are too few seeds for one.
        margin: differences smaller than this do not matter, in the unit of the scores; None: nothing is called equal.
        level: chance of a false verdict in the family, of either kind.
    """
    tested = {
        label: DifferenceTest(of.difference, of.p, p_of_equality(of, margin), of.hypothesis) if of else None
        for label, of in estimates.items()
    }
    return verdicts_of(tested, level)


def verdicts_of(tested: Mapping[str, DifferenceTest | None], level: float = LEVEL) -> dict[str, Verdict]:
    """Return the verdict on each difference of a family, whichever test was made of it.

    Args:
        tested: by label; None where nothing could be compared.
        level: see :func:`verdicts`.
    """
    p = adjusted({label: (of and of.hypothesis, of.p if of else None) for label, of in tested.items()})
    p_equal = adjusted({label: (of and of.hypothesis, of.p_equal if of else None) for label, of in tested.items()})
    size = len({of.hypothesis for of in tested.values() if of and of.p is not None})
    return {label: _verdict(of, p[label], p_equal[label], level, size) for label, of in tested.items()}


def adjusted(tests: Mapping[str, tuple[Hashable, float | None]]) -> dict[str, float | None]:
    """Return p by label, adjusted after Holm (1979), where identical tests are one hypothesis and count once.

    Two rows with the same differences to the last bit are tested once: two that forget exactly 0 differ from the
    reference by just what the reference forgot.

    Args:
        tests: by label what is equal for identical tests, and the p; None where the test could not be made.
    """
    distinct = dict(tests.values())
    by_hypothesis = dict(zip(distinct, holm([*distinct.values()]), strict=True))
    return {label: by_hypothesis[hypothesis] for label, (hypothesis, _) in tests.items()}


def p_of_equality(of: Estimate | None, margin: float | None) -> float | None:
    """Return the p of |difference| ≥ ``margin``; None without an estimate, a margin, or a known spread."""
    return of.p_equal(margin) if of and margin is not None else None


def _verdict(of: DifferenceTest | None, p: float | None, p_equal: float | None, level: float, family: int) -> Verdict:
    within = p_equal is not None and p_equal < level
    word: Word = "equal" if within else "undecided"
    if of and p is not None and p < level:
        word = "higher" if of.difference > 0 else "lower"
    return Verdict(word, p, p_equal, within, family)
