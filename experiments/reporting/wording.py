"""How numbers read: scores in percent, differences in points, one decimal; an R² times 100 is no percent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.workbench.measures.statistics import Interval

DASH = "–"
MOST_DIGITS = 6  # of a p value


def number(value: float | None, signed: bool = False) -> str:
    """Return a share in [0, 1] in percent without the sign: ``93.1``; a dash for None."""
    if value is None:
        return DASH
    text = f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"
    if float(text) == 0:
        return "0.0"
    return text.replace("-", "−")


def adjusted_in_words(family: int, before: str = "", compared: str = "comparisons") -> str:
    """Return ``, adjusted for 4 comparisons (Holm)`` for the size of a family; nothing where p is of one comparison.

    ``before``: what is adjusted, if that has not been said: ``, p``.
    """
    return f"{before or ','} adjusted for {family} {compared} (Holm)" if family > 1 else ""


def decimal(value: float, digits: int) -> str:
    """Return a number with so many decimals, a proper minus, and none before a zero: ``−0.012``, ``0.000``."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def margin(value: Interval) -> str:
    """Return ``±1.2``, half the width of the interval in points; an empty string where there is none."""
    return "" if value.low is None or value.high is None else f"±{100 * (value.high - value.low) / 2:.1f}"


def bounds(value: Interval, sign: int = 1) -> str:
    """Return ``[−1.2, 3.4]`` in points, of the negated quantity for ``sign=-1``; an empty string without bounds."""
    if value.low is None or value.high is None:
        return ""
    low, high = sorted((sign * value.low, sign * value.high))
    return f"[{number(low)}, {number(high)}]"


def share(value: float | None) -> str:
    """Return a share of a whole: ``11 %``."""
    return DASH if value is None else f"{100 * value:.0f} %"


def setting(value: object) -> str:
    """Return the value of a setting, in the words of a page where Python has its own."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def settings(values: Mapping[str, object]) -> str:
    """Return ``rank: 8, targets: none``; a dash where there are none."""
    return ", ".join(f"{name}: {setting(value)}" for name, value in values.items()) or DASH


def seconds(value: float | None) -> str:
    """Return a duration: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if value is None:
        return DASH
    whole = round(value)
    if whole < 60:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def megabytes(value: float | None) -> str:
    """Return a size given in MB: ``8 kB``, ``1.8 MB``, ``512 MB``, ``1.3 GB`` (1 GB = 1,000 MB)."""
    if value is None:
        return DASH
    if value >= 1000:
        return f"{value / 1000:.1f} GB"
    if value < 0.1:
        return f"{1000 * value:.0f} kB"
    return f"{value:.0f} MB" if value >= 10 else f"{value:.1f} MB"


NO_SHARES = {"r2", "pearson", "spearman", "pearson_spearman", "mae", "rmse"}  # of numbers: nothing to say in percent


def score(name: str, value: float) -> str:
    """Return a score by its name, with or without its split before: ``64.8 %``, and an R² or an error as a number."""
    return (
        decimal(value, 3)
        if name.removeprefix("validation_").removeprefix("test_") in NO_SHARES
        else f"{100 * value:.1f} %"
    )


def begun(text: str) -> str:
    """Return ``text`` as a sentence begins; only the first letter changes, so that names keep their capitals."""
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Unit:
    """In what the scores of a report are written, all of them times 100."""

    words: str  # in a sentence, after "score in": percent, unless some are an R²
    axis: str  # behind what stands at a figure's axis
    sign: str  # behind a score; nothing where not every score is a share

    @property
    def title(self) -> str:
        """The words at the beginning of a line."""
        return begun(self.words)

    @property
    def note(self) -> str:
        """What a sentence with scores is followed by: nothing where they have a sign."""
        return "" if self.sign else f" Scores: {self.words}."


PERCENT = Unit("percent", "in %", " %")
MOST_NAMED = 3  # tasks, in a title or a line of a terminal


def unit(kinds: Mapping[str, str]) -> Unit:
    """Return the unit of the scores of some tasks, given with their kinds; a kind that is not known has shares."""
    numbers = [task for task, kind in kinds.items() if kind == "regression"]
    if not numbers:
        return PERCENT
    if len(numbers) == len(kinds):
        return Unit("R² × 100", "(R² × 100)", "")
    return Unit(f"percent (R² × 100 for {tasks_named(numbers)})", "× 100", "")


def tasks_named(tasks: Sequence[str]) -> str:
    """Return the names of tasks, or how many there are if they are many."""
    return ", ".join(tasks) if len(tasks) <= MOST_NAMED else plural(len(tasks), "task")


CONSTANT = {  # what is always answered, where that is no class
    "regression": "always the mean",
    "causal-lm": "always the most frequent answer",
    "seq2seq": "always the most frequent answer",
}


def baseline(kind: str) -> str:
    """Return what the score of always giving the same answer is called for a kind of task."""
    return CONSTANT.get(kind, "majority baseline")


def baselines(kinds: Iterable[str]) -> str:
    """Return what that score is called for tasks of several kinds together; an unknown kind has a majority class."""
    names = {CONSTANT.get(kind, "majority class") for kind in kinds} or {"majority class"}
    return names.pop() if len(names) == 1 else "always the same answer"


def may_have_seen(what: str = "these rows") -> str:
    """Return what is said beside scores of an adapter that another program trained: its data are not known."""
    return f"It was trained elsewhere: {what} may have been among what it was trained on."


def count(value: float | None) -> str:
    """Return a count: ``940``, ``148 k``, ``22.7 M``."""
    if value is None:
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            scaled = value / size
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"
    return f"{value:.0f}"


def some(names: Sequence[str], most: int) -> str:
    """Return at most ``most`` names, the last of them for all that are left: ``a, b and 7 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1:,} more"


def plural(number: int, noun: str) -> str:
    """Return ``1 seed``, ``3 seeds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def replicated(seeds: int, orders: int, order_per_seed: bool = False) -> str:
    """Return what was repeated: ``3 seeds``, ``2 seeds, each in 5 orders``, ``3 seeds, each in its own order``."""
    if order_per_seed:
        return f"{plural(seeds, 'seed')}, each in its own order"
    return plural(seeds, "seed") if orders == 1 else f"{plural(seeds, 'seed')}, each in {orders} orders"


def probability(value: float | None, level: float | None = None) -> str:
    """Return a p value: ``p = 0.034``, ``p < 0.001``.

    With the ``level`` that it is held against, it has as many digits as show on which side it is: ``p = 0.0496``.
    """
    if value is None:
        return DASH
    if value < 0.001:
        return "p < 0.001"
    enough = (digits for digits in range(3, MOST_DIGITS) if level is None or _is_on_its_side(value, level, digits))
    return f"p = {value:.{next(enough, MOST_DIGITS)}f}"


def _is_on_its_side(value: float, level: float, digits: int) -> bool:
    return (round(value, digits) < level) == (value < level)
