"""A difference of two scores, and the one thing that a report says of it, in words, marks and colours alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.wording import adjusted_in_words, bounds, number, probability
from adapter_workbench.workbench.measures.verdicts import LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from adapter_workbench.experiments.reporting.to_decide import ToDecide
    from adapter_workbench.workbench.measures.declared_tests import Test
    from adapter_workbench.workbench.measures.estimate import Estimate
    from adapter_workbench.workbench.measures.seeds_and_examples import ExampleVariance, Shares
    from adapter_workbench.workbench.measures.statistics import Interval

EQUAL, UNDECIDED = "equal", "undecided"
MARKS = {"higher": "▲", "lower": "▼", EQUAL: "=", UNDECIDED: "?"}  # of readings, where there is no room for words
NOT_AS_DECLARED = {  # why all differences of a family are tested paired, by the test that was declared
    "paired": "",
    "pooled": " (rows have several spreads, and are not pooled)",  # but see _unpooled
    "stratified": " (the tasks of all that are compared share a model or texts)",
}


@dataclass(frozen=True)
class Difference:
    """First − second in one metric."""

    # the differences at equal seeds and orders, and the 95 % interval of the test that was made of them: over
    # seeds (what another training would change), with ``example_variance`` over test examples too (what another
    # test split would)
    seeds: Interval
    # 95 % bootstrap interval over test examples, which decides only where there is one seed. None where it does
    # not apply: outcomes missing, or a score that is not a mean over examples.
    examples: Interval | None = None
    p: float | None = None  # two-sided p of that test; None for fewer than two seeds
    # p after Holm, over the family that this difference was declared in (`in_family`)
    adjusted: float | None = None
    family: int = 1  # how many hypotheses that family has
    # the seed of each of the values: a seed has several, where there are several orders of the tasks; empty where
    # each value is that of a seed of its own
    of_seeds: tuple[int, ...] = ()
    # the least standard deviation that the differences of two seeds can be said to have; None: not known
    floor: float | None = None
    # for each task its differences, one a seed, where tasks are fitted apart and a study has them; else empty
    tasks: tuple[tuple[float | None, ...], ...] = ()
    task_floors: tuple[float, ...] = ()  # the floors of these; empty where they are not known
    # mean scores of first and second where both are shares; None where they are not known, or are no shares
    sides: tuple[float, float] | None = None
    # what the sample of test examples adds to the variance over seeds; None as for ``examples``
    example_variance: ExampleVariance | None = None
    estimate: Estimate | None = None  # of the declared test, where the difference is one of a family
    over_seeds: Estimate | None = None  # the estimate before the variance of the test examples was added to it
    # which part of the estimate's variance is of seeds, and which of test examples; None where it is of seeds
    # alone
    shares: Shares | None = None
    # the test that was declared for the family; a row with another spread is tested paired all the same
    declared: Test = "paired"
    # whether no other row of the family is compared with the same entry, so that nothing is pooled with it
    only_row: bool = False
    # differences smaller than this do not matter, as a share; None: nothing is called equal
    margin: float | None = None
    p_equal: float | None = None  # p of a difference as large as the margin, after Holm, by the same test
    level: float = LEVEL  # at which it is decided: p has to be below it
    look: int | None = None  # after how many seeds of a design with several looks this was read; None without looks
    seconds: float | None = None  # what one more seed of both sides takes; None where it is not known
    # what would decide it, where a recipe declares it, and it is undecided; None where nothing tells
    to_decide: ToDecide | None = None

    @property
    def shown(self) -> Interval:
        """The interval of the test; with one seed, which allows none, that over examples."""
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

        One test decides, by :attr:`chance` and ``p_equal``: below :attr:`level`. With one seed, which allows no
        test, it is the interval over examples, which says nothing about other seeds: whether 0 is outside it, or it
        within the margin.
        """
        if self.seeds.mean is None:
            return "not measured"
        if not self.is_tested:
            return "no interval"
        if self._differs:
            return side(self.seeds)
        return EQUAL if self._is_within else UNDECIDED

    @property
    def is_tested(self) -> bool:
        """Whether anything tells the difference from chance: several seeds, or else the examples of one."""
        return self.chance is not None or self._over_examples is not None

    @property
    def is_decided(self) -> bool:
        """Whether it is higher, lower or equal."""
        return self.reading in ("higher", "lower", EQUAL)

    def as_json(self) -> dict[str, Any]:
        """Return mean, bounds and values, the reading, its p values, and how it was tested.

        ``spread`` has what the test made its interval and its p of. ``variance`` has the shares of seeds and of test
        examples; ``bootstrap`` is the interval over examples.
        """
        document = {**self.seeds.as_json(), "reading": self.reading, "p": self.p, "p_holm": self.adjusted}
        if self.estimate is not None:
            document |= {"p_equal": self.p_equal, "test": self.estimate.test, "spread": self._spread(self.estimate)}
            document["to_decide"] = self.to_decide.as_json() if self.to_decide else None
        if self.shares is not None:
            document["variance"] = asdict(self.shares)
        if self.look is not None:
            document |= {"level": self.level, "decided_at": self.look if self.is_decided else None}
        if self.examples:
            document["bootstrap"] = self.examples.as_json()
        return document

    def _spread(self, estimate: Estimate) -> dict[str, Any]:
        """Return standard error and degrees of freedom of the test, and the variances of which it is made.

        error² = seeds + max(examples − interaction, 0): what the interaction is, :class:`ExampleVariance` says.
        """
        terms, over_seeds = {}, self.over_seeds or estimate
        terms["seeds"] = {"variance": over_seeds.error**2, "freedom": over_seeds.freedom}
        if (of := self.example_variance) is not None:
            terms["examples"] = {"variance": float(of.examples), "freedom": float(of.examples_freedom)}
            terms["interaction"] = {"variance": float(of.interaction), "freedom": float(of.interaction_freedom)}
        return {"error": estimate.error, "freedom": estimate.freedom, "floor": self.floor, "terms": terms}

    @property
    def _over_examples(self) -> tuple[float, float] | None:
        """The bounds of the interval over examples, where there are any."""
        examples = self.examples
        return (
            None if examples is None or examples.low is None or examples.high is None else (examples.low, examples.high)
        )

    @property
    def _differs(self) -> bool:
        if self.chance is not None:
            return self.chance < self.level
        low, high = self._over_examples or (0.0, 0.0)
        return not low <= 0 <= high

    @property
    def _is_within(self) -> bool:
        if self.margin is None:
            return False
        if self.chance is not None:
            return self.p_equal is not None and self.p_equal < self.level
        low, high = self._over_examples or (-self.margin, self.margin)
        return -self.margin < low and high < self.margin


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
    family = adjusted_in_words(difference.family, compared=compared)
    limits = f"95 % interval {_limits(difference.seeds)}, {probability(difference.chance, difference.level)}{family}"
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
    if any(difference.p is not None for difference in measured):
        return f"p of the {_test(measured)}{_adjusted(measured)} is below {_level(measured)}"
    if any(difference.examples for difference in measured):
        return "the 95 % interval over test examples excludes 0, which says nothing about other seeds"
    if any(difference.tested_seeds > 1 for difference in measured):
        return "a test says so, and none can judge differences that are equal on all seeds"
    return "a test says so, for which there are too few seeds"


def test_in_words(differences: Iterable[Difference]) -> str:
    """Return ``paired t-test over seeds and test examples``; of another test also how many are tested paired."""
    return _test([*differences])


def by_which_test(differences: Iterable[Difference]) -> str:
    """Return ``, tested by the paired t-test over seeds``; nothing where no test was made, as with one seed."""
    measured = [*differences]
    return f", tested by the {_test(measured)}" if any(of.p is not None for of in measured) else ""


def _test(measured: Sequence[Difference]) -> str:
    over = f"t-test over {tested_over(measured)}"
    tests = [difference.estimate.test for difference in measured if difference.estimate]
    paired = tests.count("paired")
    if "stratified" in tests:
        apart = f" (for {paired} of {len(tests)}, whose tasks {_tasks(measured)}, that of their mean)" if paired else ""
        return f"{over} with each task's own variance{apart}"
    if "pooled" in tests:
        apart = f" (for {paired} of {len(tests)}, whose {_unpooled(measured)}, their own)" if paired else ""
        return f"{over} with one variance for all rows{apart}"
    declared = measured[0].declared if measured else "paired"
    if declared == "pooled" and all(difference.only_row for difference in measured):
        return f"paired {over} (no other row has the same control, to be pooled with)"
    if declared == "stratified" and any(difference.tasks for difference in measured):
        return f"paired {over} (the tasks {_tasks(measured)})"
    return f"paired {over}{NOT_AS_DECLARED[declared]}"


def _unpooled(measured: Iterable[Difference]) -> str:
    """Return what keeps rows of a family from being pooled with others: their spread, or that they are alone."""
    rows = [difference for difference in measured if difference.estimate and difference.estimate.test == "paired"]
    alone = sum(difference.only_row for difference in rows)
    reasons = ["spread is another"] * (alone < len(rows)) + ["control no other row has"] * (alone > 0)
    return " or whose ".join(reasons)


def _tasks(measured: Iterable[Difference]) -> str:
    """Return why rows are not stratified: their tasks are not fitted apart, or their scores move together."""
    rows = [difference for difference in measured if difference.estimate and difference.estimate.test == "paired"]
    together = sum(bool(difference.tasks) for difference in rows)
    reasons = ["share a model or texts"] * (together < len(rows)) + ["may rise and fall together"] * (together > 0)
    return " or ".join(reasons)


def tested_over(differences: Iterable[Difference]) -> str:
    """Return what differences are tested over: ``seeds and test examples``, or what of both is known."""
    measured = [*differences]
    tested = [difference for difference in measured if difference.p is not None]
    if not tested and any(difference.examples for difference in measured):
        return "test examples"
    alone = sum(difference.shares is None for difference in tested)
    if alone == len(tested):
        return "seeds"
    some = f" (for {alone} of {len(tested)}, which have no score for each example, over seeds alone)" if alone else ""
    return f"seeds and test examples{some}"


def _adjusted(measured: Sequence[Difference]) -> str:
    family = max(difference.family for difference in measured)
    words = adjusted_in_words(family, compared="differences")
    return words and f"{words},"


def _level(measured: Sequence[Difference]) -> str:
    return "the level of its look" if any(difference.look for difference in measured) else f"{LEVEL}"


def otherwise(differences: Iterable[Difference | None]) -> str:
    """Return what is said of a difference that is neither higher nor lower."""
    margins = {difference.margin for difference in differences if difference and difference.margin is not None}
    if not margins:
        return UNDECIDED
    level = _level([difference for difference in differences if difference])
    return f"{equal_in_words(max(margins))} where two one-sided tests at {level} say so, else {UNDECIDED}"


def legend(differences: Iterable[Difference | None]) -> str:
    """Return what the marks of readings mean."""
    measured = [*differences]
    higher, lower, undecided = (f"{MARKS[word]} {word}" for word in ("higher", "lower", UNDECIDED))
    margins = {difference.margin for difference in measured if difference and difference.margin is not None}
    equal = f"; {MARKS[EQUAL]} {equal_in_words(max(margins))}" if margins else ""
    return f"{higher}  {lower}  where {basis(measured)}{equal}; {undecided}"
