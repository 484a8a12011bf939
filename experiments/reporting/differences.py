"""A difference of two scores, and the one thing that a report says of it, in words, marks and colours alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from experiments.reporting.wording import bounds, number, probability
from workbench.measures.statistics import holm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from workbench.measures.statistics import Interval

SAME = "not distinguishable"
MARKS = {"higher": "▲", "lower": "▼", SAME: "="}  # of readings, where there is no room for words
LEVEL = 0.05
DIGITS = 12  # in which two differences are equal: sums in another order differ in the last bits


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
        of_seeds: the seed of each of the values, where a seed has several, one for each order of the tasks; empty where
            each value is that of a seed of its own.
    """

    seeds: Interval
    examples: Interval | None = None
    p: float | None = None
    adjusted: float | None = None
    family: int = 1
    of_seeds: tuple[int, ...] = ()

    @property
    def shown(self) -> Interval:
        """The interval over seeds; with one seed, which has none, that over examples."""
        return self.examples if self.seeds.holds_zero is None and self.examples else self.seeds

    @property
    def chance(self) -> float | None:
        """The p that decides: adjusted where the difference is one of a family; None for fewer than two seeds."""
        return self.p if self.adjusted is None else self.adjusted

    @property
    def reading(self) -> str:
        """Higher, lower, or not distinguishable; or that nothing can be said.

        Higher or lower needs both: the adjusted p over seeds below 0.05, and 0 outside the interval over examples.
        Where one of the two is missing, the other decides.
        """
        if self.seeds.mean is None:
            return "not measured"
        if not self.by_test:
            return "no interval"
        words = {*self.by_test.values()}
        return words.pop() if len(words) == 1 else SAME

    @property
    def by_test(self) -> dict[str, str]:
        """What the test over ``seeds`` and that over ``examples`` say by themselves, of those that could be made."""
        readings = {"seeds": self._over_seeds(), "examples": self._over_examples()}
        return {test: word for test, word in readings.items() if word}

    def as_json(self) -> dict[str, Any]:
        """Return ``{mean, low, high, values, reading, p, p_holm}`` and ``bootstrap``, the interval over examples."""
        document = {**self.seeds.as_json(), "reading": self.reading, "p": self.p, "p_holm": self.adjusted}
        if self.examples:
            document["bootstrap"] = self.examples.as_json()
        return document

    def _over_seeds(self) -> str:
        if self.chance is None:
            return ""
        return SAME if self.chance >= LEVEL else side(self.seeds)

    def _over_examples(self) -> str:
        if self.examples is None or self.examples.holds_zero is None:
            return ""
        return SAME if self.examples.holds_zero else side(self.examples)


def in_family(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    """Return the differences, by label, with p adjusted for all of them together, after Holm.

    A family is declared before there is a result: every row against the reference of a recipe, in one metric. Rows with
    the same differences are one hypothesis, tested once: two that forget exactly 0 differ from the reference by just
    what the reference forgot. So are a row and its mirror, first − second and second − first.
    """
    tests = {_test(difference): difference.p for difference in differences.values()}
    adjusted = dict(zip(tests, holm([*tests.values()]), strict=True))
    size = sum(chance is not None for chance in tests.values())
    return {
        label: replace(difference, adjusted=adjusted[_test(difference)], family=max(size, 1))
        for label, difference in differences.items()
    }


def _test(difference: Difference) -> tuple[float | None, ...]:
    """Return what two differences share if they are one test: their values up to rounding, whichever is first."""
    values = [None if value is None else round(value, DIGITS) + 0.0 for value in difference.seeds.values]
    turned = next((value < 0 for value in values if value), False)
    return tuple(-value + 0.0 if turned and value is not None else value for value in values)


def gap_in_words(difference: Difference, below: str, above: str, compared: str) -> str:
    """Return ``2.3 points less, 95 % interval [1.8, 2.8], p = 0.004``, with ``not distinguishable`` first if it is.

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
    return f"{SAME} ({amount}, {limits})" if difference.reading == SAME else f"{amount}, {limits}"


def side(difference: Interval) -> str:
    """Return ``higher`` or ``lower``, whichever the mean is."""
    return "higher" if (difference.mean or 0) > 0 else "lower"


def basis(differences: Iterable[Difference | None]) -> str:
    """Return by what the readings of differences of one family go, in words."""
    measured = [difference for difference in differences if difference]
    tests = []
    if any(difference.p is not None for difference in measured):
        tests.append(f"p of the paired t-test over seeds{_adjusted(measured)} is below 0.05")
    if any(difference.examples for difference in measured):
        tests.append("the 95 % interval over test examples excludes 0")
    return " and ".join(tests) or "a test says so, for which there are too few seeds"


def _adjusted(measured: Sequence[Difference]) -> str:
    family = max(difference.family for difference in measured)
    return f", adjusted after Holm for {family} differences," if family > 1 else ""


def legend(differences: Iterable[Difference | None]) -> str:
    """Return what the marks of readings mean."""
    higher, lower, same = (f"{MARKS[word]} {word}" for word in ("higher", "lower", SAME))
    return f"{higher}  {lower}  where {basis(differences)}; {same}"
