"""A difference of two scores, and the one thing that a report says of it, in words, marks and colours alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.reporting.wording import bounds, number, probability
from workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.reporting.to_decide import ToDecide
    from workbench.measures.declared_tests import Test
    from workbench.measures.estimate import Estimate
    from workbench.measures.statistics import Interval

EQUAL, UNDECIDED = "equal", "undecided"
MARKS = {"higher": "▲", "lower": "▼", EQUAL: "=", UNDECIDED: "?"}  # of readings, where there is no room for words
NOT_AS_DECLARED = {  # why all differences of a family are tested paired, by the test that was declared
    "paired": "",
    "pooled": " (rows have several spreads, and are not pooled)",
    "stratified": " (no two rows that are compared fit tasks apart)",
}


@dataclass(frozen=True)
class Difference:
    """First − second in one metric.

    Attributes:
        seeds: 95 % t interval of the differences at equal seeds and orders: what another training would change.
        examples: 95 % bootstrap interval over test examples: what another test split would change. None where it
            does not apply: outcomes missing, or a score that is not a mean over examples.
        p: two-sided p of the paired t-test over seeds; None for fewer than two.
        adjusted: p after Holm, over the family that this difference was declared in (:func:`in_family`).
        family: how many hypotheses that family has.
        of_seeds: the seed of each of the values: a seed has several, where there are several orders of the tasks; empty
            where each value is that of a seed of its own.
        floor: the least standard deviation that the differences of two seeds can be said to have; None: not known.
        tasks: for each task its differences, one a seed, where tasks are fitted apart and a study has them; else empty.
        task_floors: the floors of these; empty where they are not known.
        estimate: of the declared test, where the difference is one of a family.
        declared: the test that was declared for the family; a row with another spread is tested paired all the same.
        margin: differences smaller than this do not matter, as a share; None: nothing is called equal.
        p_equal: p of a difference as large as the margin, after Holm, over seeds.
        seconds: what one more seed of both sides takes; None where it is not known.
        to_decide: what would decide it, where a recipe declares it, and it is undecided; None where nothing tells.
    """

    seeds: Interval
    examples: Interval | None = None
    p: float | None = None
    adjusted: float | None = None
    family: int = 1
    of_seeds: tuple[int, ...] = ()
    floor: float | None = None
    tasks: tuple[tuple[float | None, ...], ...] = ()
    task_floors: tuple[float, ...] = ()
    estimate: Estimate | None = None
    declared: Test = "paired"
    margin: float | None = None
    p_equal: float | None = None
    seconds: float | None = None
    to_decide: ToDecide | None = None

    @property
    def shown(self) -> Interval:
        """The interval over seeds; with one seed, which has none, that over examples."""
        return self.examples if self.seeds.holds_zero is None and self.examples else self.seeds

    @property
    def chance(self) -> float | None:
        """The p that decides: adjusted where the difference is one of a family; None for fewer than two seeds."""
        return self.p if self.adjusted is None else self.adjusted

    @property
    def tested_seeds(self) -> int:
        """How many seeds have a value."""
        values = self.seeds.values
        of_seeds = self.of_seeds or range(len(values))
        return len({seed for seed, value in zip(of_seeds, values, strict=True) if value is not None})

    @property
    def reading(self) -> str:
        """Higher, lower, equal within the margin, or undecided; or that nothing can be said.

        Higher or lower needs both: the adjusted p over seeds below 0.05, and 0 outside the interval over examples.
        Equal needs both too: the adjusted p of equality over seeds below 0.05, and the interval over examples within
        the margin. Where one of the two is missing, the other decides.
        """
        if self.seeds.mean is None:
            return "not measured"
        if not self.by_test:
            return "no interval"
        words = {*self.by_test.values()}
        if len(words) == 1:
            return words.pop()
        return EQUAL if all(self._within().values()) else UNDECIDED

    @property
    def by_test(self) -> dict[str, str]:
        """What the test over ``seeds`` and that over ``examples`` say by themselves, of those that could be made."""
        differs, within = self._differs(), self._within()
        unlike = {test: EQUAL if within[test] else UNDECIDED for test in differs}
        intervals = {"seeds": self.seeds, "examples": self.examples}
        return {
            test: side(interval) if differs[test] and (interval := intervals[test]) else word
            for test, word in unlike.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, reading, p, p_holm, p_equal, test, to_decide}``, and ``bootstrap``."""
        document = {**self.seeds.as_json(), "reading": self.reading, "p": self.p, "p_holm": self.adjusted}
        if self.estimate is not None:
            document |= {"p_equal": self.p_equal, "test": self.estimate.test}
            document["to_decide"] = self.to_decide.as_json() if self.to_decide else None
        if self.examples:
            document["bootstrap"] = self.examples.as_json()
        return document

    def _differs(self) -> dict[str, bool]:
        """Return test → whether it tells the difference apart from 0, of those that could be made."""
        over_seeds = {} if self.chance is None else {"seeds": self.chance < LEVEL}
        held = self.examples.holds_zero if self.examples else None
        return over_seeds if held is None else {**over_seeds, "examples": not held}

    def _within(self) -> dict[str, bool]:
        """Return test → whether it says that the difference is within the margin, of those that could be made."""
        return {test: self._is_within(test) for test in self._differs()}

    def _is_within(self, test: str) -> bool:
        if self.margin is None:
            return False
        if test == "seeds":
            return self.p_equal is not None and self.p_equal < LEVEL
        low, high = (self.examples.low, self.examples.high) if self.examples else (None, None)
        return low is not None and high is not None and -self.margin < low and high < self.margin


def gap_in_words(difference: Difference, below: str, above: str, compared: str) -> str:
    """Return ``2.3 points less, 95 % interval [1.8, 2.8], p = 0.004``; a verdict of equal or undecided comes first.

    Args:
        difference: measured.
        below: the word for a negative difference: less, lower.
        above: the word for a positive one.
        compared: what the family consists of, in the plural.
    """
    if difference.seeds.holds_zero is None:
        return _amount(difference.seeds, below, above)
    family = f" after Holm for {difference.family} {compared}" if difference.family > 1 else ""
    limits = f"95 % interval {_limits(difference.seeds)}, {probability(difference.chance)}{family}"
    return _with_reading(difference, _amount(difference.seeds, below, above), limits)


def shown_gap_in_words(difference: Difference, below: str, above: str, compared: str) -> str:
    """Return :func:`gap_in_words`; with one seed, the interval over test examples where there is one."""
    shown = difference.shown
    if shown is difference.seeds or shown.holds_zero is None:
        return gap_in_words(difference, below, above, compared)
    limits = f"95 % interval over test examples {_limits(shown)}"
    return _with_reading(difference, _amount(shown, below, above), limits)


def bare_gap(difference: Difference, below: str, above: str) -> str:
    """Return ``2.3 less [1.8, 2.8]``, in points; nothing in brackets where there is no interval."""
    shown = difference.shown
    return f"{_amount(shown, below, above, noun='')} {_limits(shown)}".rstrip()


def _amount(gap: Interval, below: str, above: str, noun: str = " points") -> str:
    assert gap.mean is not None
    return f"{number(abs(gap.mean))}{noun} {below if gap.mean < 0 else above}" if gap.mean else "no difference"


def _limits(gap: Interval) -> str:
    """Return the bounds of the amount, which has no sign."""
    return bounds(gap, 1 if (gap.mean or 0) > 0 else -1)


def _with_reading(difference: Difference, amount: str, limits: str) -> str:
    if difference.reading == UNDECIDED:
        return f"undecided ({amount}, {limits})"
    if difference.reading == EQUAL:
        return f"{equal_in_words(difference.margin)} ({amount}, {limits})"
    return f"{amount}, {limits}"


def equal_in_words(margin: float | None) -> str:
    """Return ``equal within 2 points``; the margin is a share."""
    return f"equal within {_points(margin)}"


def _points(margin: float | None) -> str:
    points = 100 * (margin or 0)
    return f"{points:.3g} {'point' if points == 1 else 'points'}"


def side(difference: Interval) -> str:
    """Return ``higher`` or ``lower``, whichever the mean is."""
    return "higher" if (difference.mean or 0) > 0 else "lower"


def basis(differences: Iterable[Difference | None]) -> str:
    """Return by what the readings of differences of one family go, in words."""
    measured = [difference for difference in differences if difference]
    tests = []
    if any(difference.p is not None for difference in measured):
        tests.append(f"p of the {_test(measured)}{_adjusted(measured)} is below 0.05")
    if any(difference.examples for difference in measured):
        tests.append("the 95 % interval over test examples excludes 0")
    return " and ".join(tests) or "a test says so, for which there are too few seeds"


def test_in_words(differences: Iterable[Difference]) -> str:
    """Return ``paired t-test over seeds``; of another test also how many differences are tested paired all the same."""
    return _test([*differences])


def _test(measured: Sequence[Difference]) -> str:
    tests = [difference.estimate.test for difference in measured if difference.estimate]
    if "stratified" in tests:
        paired = tests.count("paired")
        apart = f" (for {paired} of {len(tests)}, whose tasks share a model, that of their mean)" if paired else ""
        return f"t-test over seeds with each task's own variance{apart}"
    if "pooled" not in tests:
        return f"paired t-test over seeds{NOT_AS_DECLARED[measured[0].declared] if measured else ''}"
    paired = tests.count("paired")
    apart = f" (for {paired} of {len(tests)}, whose spread is another, their own)" if paired else ""
    return f"t-test over seeds with one variance for all rows{apart}"


def _adjusted(measured: Sequence[Difference]) -> str:
    family = max(difference.family for difference in measured)
    return f", adjusted after Holm for {family} differences," if family > 1 else ""


def otherwise(differences: Iterable[Difference | None]) -> str:
    """Return what is said of a difference that is neither higher nor lower."""
    margins = {difference.margin for difference in differences if difference and difference.margin is not None}
    if not margins:
        return UNDECIDED
    return f"{equal_in_words(max(margins))} where two one-sided tests at 0.05 say so, else {UNDECIDED}"


def legend(differences: Iterable[Difference | None]) -> str:
    """Return what the marks of readings mean."""
    measured = [*differences]
    higher, lower, undecided = (f"{MARKS[word]} {word}" for word in ("higher", "lower", UNDECIDED))
    margins = {difference.margin for difference in measured if difference and difference.margin is not None}
    equal = f"; {MARKS[EQUAL]} {equal_in_words(max(margins))}" if margins else ""
    return f"{higher}  {lower}  where {basis(measured)}{equal}; {undecided}"
