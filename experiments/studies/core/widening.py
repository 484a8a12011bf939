"""Which learning rates are tried: those of the range, and further ones outward where the best stands at its edge."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.tune import (
    ATTEMPTS,
    LearningRateTrial,
    attempt,
    attempt_key,
    choose,
    fitted_trial,
    over_tasks,
    rate,
)
from adapter_workbench.workbench.files.digest import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter_workbench.experiments.engine.document_piece import DocumentPiece
    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.workbench.training import Lesson

OUTWARD = 2  # rates beyond each edge, at most
FACTOR = math.sqrt(10)  # from one of them to the next
HIGHEST = 100.0  # learning rate that any method takes


@dataclass(frozen=True)
class Candidate:
    """A learning rate that is tried, or may have to be."""

    lessons: tuple[Lesson, ...]  # what is learned at it, one a task
    # of each rate that is tried before, the keys of its attempts, one a task. They tell whether this one is
    # needed; empty for a rate of the range, which always is.
    after: tuple[tuple[str, ...], ...] = ()

    @property
    def learning_rate(self) -> float:
        """The same in all lessons."""
        return rate(self.lessons[0])

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The keys of its attempts, one a task."""
        if not self.after:
            return tuple(map(attempt_key, self.lessons))
        return tuple(key(["attempt outward", lesson.key, self.after]) for lesson in self.lessons)

    def piece(self, name: str, task: int) -> DocumentPiece:
        """Return its attempt on one task; a rate that is not needed is not learned, and its document says so."""
        lesson, identity = self.lessons[task], self.keys[task]
        plain = attempt(name, lesson)
        if not self.after:
            return plain
        result = partial(_if_needed, lesson, self.after, identity, plain.label)
        needs = tuple(key for keys in self.after for key in keys)
        return replace(plain, key=identity, result=result, needs=needs)


def candidates(rates: Sequence[float], lessons: Callable[[float], Sequence[Lesson]]) -> Iterator[Candidate]:
    """Yield the candidates of a search: ``rates`` in their order, then those beyond the lowest and the highest.

    Args:
        rates: the range that is tried in any case; a single one has no edge.
        lessons: returns what is learned at a rate, one lesson a task.
    """
    within = [Candidate(tuple(lessons(value))) for value in rates]
    yield from within
    if len(within) < 2:
        return
    for edge, factor in ((min(rates), 1 / FACTOR), (max(rates), FACTOR)):
        before = [candidate.keys for candidate in within]
        for step in range(1, OUTWARD + 1):
            if (value := edge * factor**step) <= HIGHEST:
                candidate = Candidate(tuple(lessons(value)), tuple(before))
                before.append(candidate.keys)
                yield candidate


def is_enclosed(tried: Sequence[LearningRateTrial]) -> bool:
    """Return whether the best of several learning rates stands between two that are worse, or failed."""
    rates = [trial.learning_rate for trial in tried]
    return min(rates) < choose(tried) < max(rates)


def is_exhausted(tried: Sequence[LearningRateTrial]) -> bool:
    """Return whether the best is at an edge, and no further rate is allowed there: the bound of a search is reached."""
    rates, chosen = sorted(trial.learning_rate for trial in tried), choose(tried)
    if chosen == rates[-1] and chosen * FACTOR > HIGHEST:
        return True
    outward = rates[-OUTWARD - 1 :] if chosen == rates[-1] else rates[OUTWARD::-1]
    steps = [max(pair) / min(pair) for pair in pairwise(outward)]
    at_edge = chosen in (rates[0], rates[-1])
    return at_edge and len(steps) == OUTWARD and all(math.isclose(step, FACTOR, rel_tol=1e-6) for step in steps)


def _if_needed(
    lesson: Lesson, after: Sequence[Sequence[str]], identity: str, label: str, site: Site
) -> LearningRateTrial:
    documents = ATTEMPTS.documents(site.workspace)
    before = [over_tasks([documents.require(key) for key in keys]) for keys in after]
    tried = [trial for trial in before if trial.needed]
    if all(trial.validation is None for trial in tried) or not _is_next(rate(lesson), tried):
        return LearningRateTrial(rate(lesson), None, None, 0.0, needed=False)
    site.listener.say(f"{label}: the best so far is at the edge of the learning rates, so that this one is tried")
    return fitted_trial(lesson, identity, label, site)


def _is_next(value: float, tried: Sequence[LearningRateTrial]) -> bool:
    """Return whether the best learning rate is the outermost on the side of ``value``."""
    rates, chosen = [trial.learning_rate for trial in tried], choose(tried)
    return chosen == (min(rates) if value < min(rates) else max(rates))
