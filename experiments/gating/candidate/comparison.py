"""Champion and candidate on groups of rows: both scores, and the paired difference with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.workbench.measures.example_intervals import wilson
from adapter_workbench.workbench.measures.paired_scores import chance_of_difference, chance_of_none, drop
from adapter_workbench.workbench.measures.verdicts import DifferenceTest, verdicts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
    from adapter_workbench.workbench.measures.statistics import Interval
    from adapter_workbench.workbench.measures.verdicts import Verdict

MARGIN = 0.02  # a difference that somebody would act on, as recipes have it
OLD, NEW, OLD_LABELS, ALL = "old_rows", "new_rows", "old_labels", "all_rows"
PLANNED = (OLD, NEW)  # the two questions that an update asks; all other comparisons are exploratory
TITLES = {OLD: "old rows", NEW: "new rows", OLD_LABELS: "rows of old labels", ALL: "all rows"}


@dataclass(frozen=True)
class GroupComparison:
    """Both scores on one group of rows; the main score of a classification is its accuracy."""

    name: str  # ``old_rows``, ``new_rows``, ``old_labels``, ``all_rows`` or ``label:NAME``
    rows: int  # how many rows the group has
    # how many of them have a label that the champion can give. Both scores and the difference are of these.
    compared: int
    # share of right answers with its interval (Wilson 1927); None where nothing can be compared: a label that a
    # model does not know was not measured
    champion: Interval | None
    candidate: Interval | None  # the same of the candidate
    candidate_on_all: Interval | None  # of the candidate on all rows of the group; None for no row
    difference: Interval | None  # candidate − champion with its 95 % interval over examples (Tango 1998), not adjusted
    verdict: Verdict | None = None  # after Holm for the planned comparisons; None for an exploratory one

    @property
    def title(self) -> str:
        """What it is called in a table."""
        return TITLES.get(self.name) or f"label {self.name.partition(':')[2]}"

    def as_json(self) -> dict[str, Any]:
        """Return everything; shares of 1, None for what was not measured."""
        return {
            "rows": self.rows,
            "compared": self.compared,
            "champion": self.champion and self.champion.as_json(),
            "candidate": self.candidate and self.candidate.as_json(),
            "candidate_on_all": self.candidate_on_all and self.candidate_on_all.as_json(),
            "difference": self.difference and self.difference.as_json(),
            "planned": self.name in PLANNED,
            "reading": self.verdict and self.verdict.word,
            "p": self.verdict and self.verdict.p,
            "p_equal": self.verdict and self.verdict.p_equal,
        }


def compare(rows: JudgedRows) -> tuple[GroupComparison, ...]:
    """Return the comparison on each group that has rows: old, new, of old labels, of each unknown label, and all."""
    groups = {name: (_group(name, rows, mask), mask) for name, mask in _masks(rows) if mask.any()}
    tests = {name: tested(name, rows, mask & rows.known) for name, (_, mask) in groups.items() if name in PLANNED}
    verdicts = verdicts_of(tests)
    return tuple(
        replace(group, verdict=verdicts[name]) if tests.get(name) else group for name, (group, _) in groups.items()
    )


def _masks(rows: JudgedRows) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield OLD, rows.old
    yield NEW, ~rows.old
    yield OLD_LABELS, rows.known
    for label in sorted({*rows.gold[~rows.known].tolist()}):
        yield f"label:{rows.names[label]}", rows.gold == label
    yield ALL, np.ones(len(rows.gold), dtype=bool)


def _group(name: str, rows: JudgedRows, mask: NDArray[np.bool_]) -> GroupComparison:
    compared = mask & rows.known
    first, second = rows.champion_right[compared], rows.candidate_right[compared]
    known = len(first) > 0
    return GroupComparison(
        name=name,
        rows=int(mask.sum()),
        compared=len(first),
        champion=wilson(int(first.sum()), len(first)) if known else None,
        candidate=wilson(int(second.sum()), len(second)) if known else None,
        candidate_on_all=wilson(int(rows.candidate_right[mask].sum()), int(mask.sum())),
        difference=drop(second, first) if known else None,
    )


def tested(name: str, rows: JudgedRows, mask: NDArray[np.bool_]) -> DifferenceTest | None:
    """Return what is tested of the rows of ``mask``, whose labels the champion can give; None for no row."""
    first, second = rows.champion_right[mask], rows.candidate_right[mask]
    if not len(first):
        return None
    p, p_equal = chance_of_none(second, first), chance_of_difference(second, first, MARGIN)
    answers = (int((second > first).sum()), int((second < first).sum()), len(first))
    return DifferenceTest(float((second - first).mean()), p, p_equal, (name, *answers))  # each group has its own rows


def named(groups: Sequence[GroupComparison], name: str) -> GroupComparison | None:
    """Return a group by its name; None where it has no rows."""
    return next((group for group in groups if group.name == name), None)
