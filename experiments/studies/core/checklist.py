"""The questions that a referee asks of an experiment, answered from the JSON document of its report.

A document of an earlier version is answered too, as far as it tells; what it does not tell has no answer.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.reporting.wording import begun, number, plural, some
from adapter_workbench.experiments.studies.core.tune import choose
from adapter_workbench.experiments.studies.core.widening import is_enclosed, is_exhausted
from adapter_workbench.workbench.measures.verdicts import adjusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from adapter_workbench.experiments.studies.core.facts import Document, Facts, Grid, PlannedComparison

CONTROL = "Has each entry a control that the recipe declares?"
ONE_THING = "Does each entry differ from its control in one thing?"
FROZEN = "Is a head on the frozen model among the entries?"
UNEQUAL = "Is it listed what else was not equal?"
GRID = "Does each grid of learning rates enclose its pick?"
FAMILY = "Is each family what the recipe asks for, with no test counted twice?"
TEST = "Are the test and the margin declared?"
VALIDATION = "Was everything chosen on validation splits?"
SEEDS = "Are there seeds enough for the test?"
COMPLETE = "Is the experiment complete?"
NO_HEAD = (
    "None trains a head alone, so the report does not say whether adapting the model pays on these tasks. "
    "`{strategy: isolated, method: head}` is such an entry."
)
MOST_NAMED = 6
LEAST_FREEDOM = 2  # degrees; with one, a difference has to be 13 standard errors for p = 0.05
READ_AT_LOOKS = "Verdicts are read at looks: each p is adjusted at its own, and the others' p of then are not kept."
EARLIER = "An earlier version wrote this, and does not say it."


@dataclass(frozen=True)
class Answer:
    """A question of the checklist, answered."""

    question: str  # to which yes is good
    # whether the answer is yes; None where the question does not apply, or the document does not tell
    holds: bool | None
    answer: str  # what it goes by, in a sentence or two

    def as_json(self) -> dict[str, Any]:
        """Return ``{question, holds, answer}``."""
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """What a document tells of how its comparisons were planned, and the answers to the referee's checklist."""

    facts: Facts
    answers: tuple[Answer, ...]


def checklist(document: Document, facts: Facts) -> tuple[Answer, ...]:
    """Return the answers, the control first; ``facts`` are those of ``document``."""
    return tuple(Answer(question, *answer(document, facts)) for question, answer in QUESTIONS.items())


def _has_controls(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if len(facts.entries) < 2:
        return None, "There is one entry, which is compared with nothing."
    if not facts.comparisons:
        return None, "Nothing is compared yet."
    pairs = dict.fromkeys((comparison.label, comparison.against) for comparison in facts.comparisons)
    compared, controls = {label for label, _ in pairs}, [against for _, against in pairs]
    lacking = [label for label in facts.entries if label not in compared and label not in controls]
    if lacking:
        return False, f"Compared with nothing: {some(lacking, MOST_NAMED)}."
    counts = Counter(controls).most_common()
    return True, f"{_entries(len(compared))}: {', '.join(f'{times} with {control}' for control, times in counts)}."


def _differs_in_one(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if not facts.comparisons:
        return None, "Nothing is compared."
    several = {
        f"{comparison.label} and {comparison.against}: {' and '.join(comparison.differs)}"
        for comparison in facts.comparisons
        if len(comparison.differs) > 1
    }
    if not several:
        return True, "Each entry differs from its control in one of the things that name it, or in settings alone."
    return False, f"A gain may come from either of two things: {some(sorted(several), MOST_NAMED)}."


def _has_frozen_head(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if facts.no_head:
        return None, facts.no_head
    if not facts.heads:
        return False, NO_HEAD
    return True, f"A head alone is trained by {some(facts.heads, MOST_NAMED)}."


def _lists_inequalities(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if "not_equal" not in document:
        return None, EARLIER
    unequal = list(dict.fromkeys(str(inequality["what"]) for inequality in document["not_equal"]))
    if not unequal:
        return True, "Settings and records tell nothing else."
    return True, f"Under “What was not equal”: {'; '.join(unequal)}."


def _encloses(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if not facts.grids:
        return None, "No learning rates were tried."
    opened = [grid for grid in facts.grids if not is_enclosed(grid.tried)]
    if not opened:
        return True, f"In each of {plural(len(facts.grids), 'grid')} the rate that was taken stands between worse ones."
    bounded = [grid.who for grid in opened if is_exhausted(grid.tried)]
    others = [grid.who for grid in opened if grid.who not in bounded]
    parts = [f"widened as far as allowed: {some(bounded, MOST_NAMED)}"] if bounded else []
    parts += [f"not widened: {some(others, MOST_NAMED)}"] if others else []
    return False, f"The rate is at the edge in {len(opened)} of {len(facts.grids)}; {'; '.join(parts)}."


def _counts_once(document: Document, facts: Facts) -> tuple[bool | None, str]:
    families: dict[str, list[PlannedComparison]] = {}
    for comparison in facts.comparisons:
        if comparison.difference.get("p") is not None:
            families.setdefault(comparison.family, []).append(comparison)
    if not families:
        return None, "No p was computed."
    if document.get("looks"):
        return None, READ_AT_LOOKS
    wrong = [name for name, family in families.items() if not _is_adjusted(family)]
    largest = max(map(len, families.values()))
    same = max(len(family) - len({comparison.hypothesis for comparison in family}) for family in families.values())
    if wrong:
        return False, f"p is not that of the planned comparisons, each distinct test once: {some(wrong, MOST_NAMED)}."
    twice = f" Identical tests, counted once: up to {same}." if same else ""
    compared = plural(largest, "planned comparison")
    return True, f"p is adjusted for the {compared} of a metric, and for no others.{twice}"


def _is_adjusted(family: Iterable[PlannedComparison]) -> bool:
    """Return whether p after Holm is that of a family's planned comparisons, where identical tests count once."""
    by_label = {comparison.label: comparison for comparison in family}
    expected = adjusted({label: (of.hypothesis, of.difference["p"]) for label, of in by_label.items()})
    stored = {label: of.difference.get("p_holm") for label, of in by_label.items()}
    return all(_same(stored[label], expected[label]) for label in by_label)


def _same(stored: float | None, expected: float | None) -> bool:
    if stored is None or expected is None:
        return stored is expected
    return math.isclose(stored, expected, rel_tol=1e-4, abs_tol=1e-6)  # some documents have six decimals


def _declares_test(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if "test" not in document or "margin" not in document:
        return None, f"{EARLIER} It was paired, and nothing was called equal."
    return True, f"{document['test']}; margin {number(document['margin'] / 100)} points."


def _chooses_on_validation(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if not facts.grids and not facts.picks:
        return None, "Nothing was chosen beside the epoch that each fit keeps, by its validation split."
    wrong = [grid.who for grid in facts.grids if _is_not_best(grid)]
    compared = {*document["seeds"]}
    seen = [grid.who for grid in facts.grids if grid.seed in compared]
    if wrong:
        return False, f"Not the rate that validates best: {some(wrong, MOST_NAMED)}."
    if seen:
        return False, f"Tried with a seed that is compared: {some(seen, MOST_NAMED)}."
    parts = [f"each of {plural(len(facts.grids), 'rate')} is the one that validates best"] if facts.grids else []
    parts += [f"validation picks {some(facts.picks, MOST_NAMED)}"] if facts.picks else []
    return True, f"{begun(' and '.join(parts))}; what was tried has no test score."


def _is_not_best(grid: Grid) -> bool:
    return not math.isclose(choose(grid.tried), grid.chosen)


def _has_seeds(document: Document, facts: Facts) -> tuple[bool | None, str]:
    tested = [comparison for comparison in facts.comparisons if comparison.main]
    if not tested:
        return None, "Nothing is compared."
    seeds, rows, test = len(document["seeds"]), len(tested), document.get("test", "paired")
    freedom = (seeds - 1) * {"paired": 1, "pooled": rows}.get(test, len(document.get("tasks", [1])))
    undecided = sum(comparison.reading == "undecided" for comparison in tested)
    degrees = f"{plural(seeds, 'seed')}, at most {freedom} degree{'' if freedom == 1 else 's'} of freedom over seeds"
    return freedom >= LEAST_FREEDOM, f"{degrees}; {undecided} of {plural(rows, 'comparison')} undecided."


def _is_complete(document: Document, facts: Facts) -> tuple[bool | None, str]:
    if "complete" not in document:
        return None, EARLIER
    return bool(document["complete"]), "All results are there." if document["complete"] else "Results are missing."


def _entries(compared: int) -> str:
    return "1 entry is compared" if compared == 1 else f"{compared} entries are compared"


QUESTIONS: Mapping[str, Callable[[Document, Facts], tuple[bool | None, str]]] = {
    CONTROL: _has_controls,
    ONE_THING: _differs_in_one,
    FROZEN: _has_frozen_head,
    UNEQUAL: _lists_inequalities,
    GRID: _encloses,
    FAMILY: _counts_once,
    TEST: _declares_test,
    VALIDATION: _chooses_on_validation,
    SEEDS: _has_seeds,
    COMPLETE: _is_complete,
}
