"""What follows from the verdicts of a report: what is worse than another choice, what is open, what may be advised.

A sentence of the verdict and a line under "Next" are made of the same readings, so that none contradicts another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.plain_verdicts import ComparisonInWords

FEWEST_SEEDS = 3  # with fewer a verdict is rarely one
Word = Literal["better", "worse", "equal", "undecided", "untested"]


@dataclass(frozen=True)
class Reading:
    """What one comparison came to, for the first of two entries."""

    first: str  # label of the entry
    second: str  # label of what it is compared with
    word: Word  # better or worse in whichever metric was compared; equal within the margin; undecided; or never tested


def reading(comparison: ComparisonInWords) -> Reading:
    """Return what a comparison of a report came to, whether more of its metric is good or bad."""
    words, came_to = comparison.words, comparison.difference.reading
    return Reading(comparison.entry.label, comparison.against.label, as_word(came_to, words.better == words.above))


def as_word(came_to: str, more_is_better: bool = True) -> Word:
    """Return what a reading of a difference, as reports and their documents have it, says of the first of two."""
    match came_to:
        case "higher" | "lower":
            return "better" if (came_to == "higher") == more_is_better else "worse"
        case "equal":
            return "equal"
        case "undecided":
            return "undecided"
    return "untested"


@dataclass(frozen=True)
class Standing:
    """How entries stand to each other after all that was compared."""

    readings: tuple[Reading, ...]

    @classmethod
    def after(cls, comparisons: Iterable[ComparisonInWords]) -> Standing:
        """Return how entries stand after the comparisons of a report."""
        return cls(tuple(map(reading, comparisons)))

    def above(self, label: str) -> list[str]:
        """Return what a verdict calls better than an entry, in any metric."""
        over = [of.second for of in self.readings if (of.first, of.word) == (label, "worse")]
        over += [of.first for of in self.readings if (of.second, of.word) == (label, "better")]
        return [*dict.fromkeys(over)]

    def is_beaten(self, label: str) -> bool:
        """Return whether a verdict calls something better than an entry."""
        return bool(self.above(label))

    def better_choices(self, label: str) -> list[str]:
        """Return what is better than an entry, or than what is better than it, and not beaten itself."""
        known, waiting = [label], self.above(label)
        while waiting:
            known.append(waiting.pop(0))
            waiting += [other for other in self.above(known[-1]) if other not in (*known, *waiting)]
        return [other for other in known[1:] if not self.is_beaten(other)]

    def open(self, label: str | None = None) -> list[Reading]:
        """Return what is undecided, or was never tested, between entries that nothing beats: of one, or of all."""
        unsettled = [
            of
            for of in self.readings
            if of.word in ("undecided", "untested") and not self.is_beaten(of.first) and not self.is_beaten(of.second)
        ]
        return [of for of in unsettled if label is None or label in (of.first, of.second)]

    def open_against(self, label: str) -> list[str]:
        """Return the entries beside which it is undecided, or untested, which of both is better."""
        return [*dict.fromkeys(of.second if of.first == label else of.first for of in self.open(label))]


@dataclass(frozen=True)
class Step:
    """A command that could come next."""

    command: str  # as it is typed
    entry: str = ""  # label of the entry that it uses; empty where it uses none
    note: str = ""  # why, in a few words; empty where that is clear

    @property
    def line(self) -> str:
        """The command, and the note in brackets."""
        return f"{self.command}   ({self.note})" if self.note else self.command


def advised(standing: Standing, steps: Sequence[Step], deciding: Step | None = None) -> list[Step]:
    """Return the steps that the verdicts do not speak against, the likeliest first.

    A step that uses an entry which a verdict calls worse than another is left out. One that uses an entry of which
    something is undecided says so, after what would decide it.

    Args:
        standing: of all entries.
        steps: that could come next.
        deciding: what would decide what is undecided; left out where nothing is.
    """
    allowed = [step for step in steps if not step.entry or not standing.is_beaten(step.entry)]
    noted = [_with_doubt(standing, step) for step in allowed]
    return [*([deciding] if deciding and standing.open() else []), *noted]


def _with_doubt(standing: Standing, step: Step) -> Step:
    beside = standing.open_against(step.entry) if step.entry else []
    if not beside:
        return step
    doubt = f"undecided beside {' and '.join(beside[:2])}{' and others' if len(beside) > 2 else ''}"
    return Step(step.command, step.entry, f"{step.note}; {doubt}" if step.note else f"{step.entry}: {doubt}")


def seeds_that_decide(
    comparisons: Iterable[ComparisonInWords], standing: Standing, seeds: int
) -> tuple[int, str] | None:
    """Return how many seeds would decide what is open between entries that nothing beats, and what that is, in words.

    Args:
        comparisons: in the metric that decides.
        standing: of all entries.
        seeds: that there are.

    Returns:
        None where nothing is open, or no number of seeds is known to decide any of it.
    """
    pairs = {(of.first, of.second) for of in standing.open()}
    unsettled = [
        of for of in comparisons if (of.entry.label, of.against.label) in pairs and not of.difference.is_decided
    ]
    if not unsettled:
        return None
    if seeds < FEWEST_SEEDS:
        return FEWEST_SEEDS, "fewer seeds decide little"
    known = [(needed.seeds, of) for of in unsettled if (needed := of.difference.to_decide) and needed.seeds]
    if not known:
        return None
    most, hardest = max(known, key=lambda pair: pair[0])
    assert hardest.difference.to_decide is not None
    further = hardest.difference.to_decide.further(hardest.difference.tested_seeds)
    return most, f"{further} would probably decide {hardest.entry.label} against {hardest.against.label}"
