"""What a comparison of methods came to: numbers, differences, which method to take, JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.reporting.cells import decimals, score, written
from adapter_workbench.experiments.reporting.differences import side, tested_over
from adapter_workbench.experiments.reporting.examples import scores_by_example
from adapter_workbench.experiments.reporting.learned_nothing import learned_nothing_in
from adapter_workbench.experiments.reporting.plain_verdicts import SCORED, ComparisonInWords, Named, sentences
from adapter_workbench.experiments.reporting.presentation import Column, Medium
from adapter_workbench.experiments.reporting.wording import (
    DASH,
    PERCENT,
    count,
    megabytes,
    number,
    unit,
)
from adapter_workbench.experiments.studies.core import fit_quantities as fit
from adapter_workbench.experiments.studies.core.facts import Facts, compared_rows, grid
from adapter_workbench.experiments.studies.core.quantity import Quantity, as_json
from adapter_workbench.experiments.studies.core.reference import Declared
from adapter_workbench.experiments.studies.core.report import reported
from adapter_workbench.experiments.studies.core.rows import (
    At,
    Row,
    RowsReport,
    compared,
    difference,
    mean_of_cells,
    of_row,
    scores_of,
)
from adapter_workbench.experiments.studies.core.shared_texts import across_tasks
from adapter_workbench.experiments.studies.core.tune import first_rate
from adapter_workbench.experiments.studies.methods.record import ComparisonRecord, Search
from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter
from adapter_workbench.workbench.measures.verdicts import LEVEL
from adapter_workbench.workbench.training.measured_cost import MeasuredCost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.reporting.wording import Unit
    from adapter_workbench.experiments.studies.core.facts import Document
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

    Compared = tuple["MethodRow", Difference]


# --- numbers


@dataclass(frozen=True)
class MethodRow(Row[FittedAdapter]):
    """One method.

    Attributes:
        measured: memory of the training step alone, and times; None where that has not been measured yet.
        searches: the learning rates that were tried, by task.
        learned_nothing: (task, seed, why) of the adapters that seem to have learned nothing.
    """

    measured: MeasuredCost | None = None
    searches: tuple[Search, ...] = ()
    learned_nothing: tuple[tuple[str, int, str], ...] = ()


COST = {"json": "cost", "tracked": "cost"}


def _costs(head: str, unit: str = "", short: str = "", rare: bool = False) -> dict[str, Column]:
    return {"costs": Column(head, unit=unit, short=short, media=Medium.PAGE if rare else Medium.ANY)}


def slowdown(value: float | None) -> str:
    """Return how much longer an answer takes than the bare backbone's: ``+12 %``."""
    if value is None:
        return DASH
    text = f"{100 * value:+.0f}"
    return f"{'0' if float(text) == 0 else text.replace('-', '−')} %"


_ABOUT = "the task's main metric on the test split; of a method the mean over tasks"
TEST: Quantity[Any] = Quantity("score", "share", lambda of: of.score, score, _ABOUT, json="", tracked="", summed=True)
_VALIDATION = fit.VALIDATION.placed({"scores": Column("validation", media=Medium.PAGE)}, json="", tracked="")
_TRAINED: Quantity[FittedAdapter] = fit.PARAMETERS.placed(
    {**_costs("trained parameters", short="trained"), "summary": Column("trained parameters")}, **COST, summed=True
)
_SECONDS = fit.SECONDS.placed(_costs("fit", "s", "training"), **COST, summed=True)
_PEAK = fit.PEAK_MEMORY.placed(_costs("process memory", "MB", rare=True), **COST)
_STORED = fit.STORED.placed(_costs("stored", "MB"), **COST, summed=True)
_SPENT = fit.spent_in("costs")
ADAPTER: tuple[Quantity[Any], ...] = (TEST, _VALIDATION, _TRAINED, _SECONDS, _PEAK, _STORED, *_SPENT)


def _measured(
    name: str, unit: str, worded: Any, about: str, columns: dict[str, Column], factor: float = 1.0, summed: bool = False
) -> Quantity[Any]:
    """Return a quantity of a method's step and answers, which is measured once."""
    cell = written(worded, factor)
    quantity: Quantity[Any] = Quantity(
        name, unit, lambda of: getattr(of, name), cell, about, columns, "measured", summed=summed
    )
    return quantity.of(lambda row: row.measured)


_SLOWDOWN: Quantity[MeasuredCost] = Quantity(
    "slowdown",
    "share",
    lambda cost: cost.inference_ms / cost.bare_inference_ms - 1 if cost.bare_inference_ms else None,
    written(slowdown),
    "how much longer an answer takes than the bare backbone's; negative where it is faster",
    _costs("against the bare backbone", short="answering"),
)
SCORE = of_row(TEST)
PARAMETERS = mean_of_cells(_TRAINED)
STEP_MEMORY = _measured(
    "step_mb",
    "MB",
    megabytes,
    "what a training step needs beyond the model itself, measured once",
    {**_costs("step memory", "MB"), "summary": Column("step memory")},
    summed=True,
)
METHOD: tuple[Quantity[Any], ...] = (  # in the order of the tables' columns
    SCORE,
    mean_of_cells(_VALIDATION),
    PARAMETERS,
    mean_of_cells(_SECONDS),
    mean_of_cells(_PEAK),
    STEP_MEMORY,
    mean_of_cells(_STORED),
    *(
        _measured(
            f"{way}_seconds_per_token",
            "s",
            decimals(1),
            f"{way} pass of a training step",
            _costs(f"{way}, µs a token", rare=True),
            factor=1e6,
        )
        for way in ("forward", "backward")
    ),
    _measured(
        "inference_ms",
        "ms",
        decimals(2),
        "the adapted model's forward pass, an example",
        _costs("answer, ms", rare=True),
        summed=True,
    ),
    _measured(
        "merged_inference_ms",
        "ms",
        decimals(2),
        "the same with the update written into the backbone's weights",
        _costs("merged, ms", rare=True),
    ),
    _SLOWDOWN.of(lambda row: row.measured),
    *map(mean_of_cells, _SPENT),
)
DECLARED = (Declared("methods.LABEL", METHOD, "TASK"),)


# --- the report


def rows_of(record: ComparisonRecord, outcomes: Callable[[str], Path], brief: bool = False) -> tuple[MethodRow, ...]:
    """Return a row for each method; ``outcomes`` finds the file of a stored evaluation."""

    @cache
    def examples(evaluation: str, value: float) -> pd.Series | None:
        return scores_by_example(outcomes(evaluation), value)

    def differ(ours: Row[FittedAdapter], theirs: Row[FittedAdapter]) -> Difference:
        shared = [record.shared_texts.get(task, {}) for task in record.tasks]
        apart = not across_tasks(record.shared_texts)  # else their results are not independent: no stratified test
        return difference(
            ours,
            theirs,
            TEST.number,
            examples=lambda of, _: examples(of.evaluation, of.score),
            shared=shared,
            apart=apart,
            seconds=lambda of: [of.seconds],
        )

    rows = []
    for entry in record.entries:
        own = {At(of.seed, task=of.task): of for of in record.cells if of.label == entry.label}
        against, replications = record.controls.get(entry.label), tuple((seed, 0) for seed in record.seeds)
        failures = (
            (of.task, of.seed, learned_nothing_in(outcomes(of.evaluation), of.score, record.majority.get(of.task)))
            for of in own.values()
        )
        rows.append(
            MethodRow(
                entry.label,
                entry,
                replications,
                record.tasks,
                own,
                {"": against} if against else {},
                measured=record.costs.get(entry.label),
                searches=tuple(search for search in record.searches if search.label == entry.label),
                learned_nothing=tuple((task, seed, why) for task, seed, why in failures if why is not None),
            )
        )
    return tuple(rows) if brief else compared(rows, "", record, differ)


@dataclass(frozen=True)
class ComparisonReport(RowsReport):
    """Everything that is said about a comparison of methods."""

    study: ClassVar[str] = "methods"
    record: ComparisonRecord
    rows: tuple[MethodRow, ...]
    recommendation: Recommendation | None

    @property
    def verdict(self) -> str:  # type: ignore[override]
        """The recommendation, and how much of the comparison is there if it is not the whole."""
        advice = self.recommendation
        sentence = advice.sentence if advice else "Nothing can be recommended yet."
        leading = advice.label if advice else None
        return self.record.judged(" ".join([sentence, *sentences(self.planned, leading=leading)]), "adapters")

    def score_of(self, result: Any) -> float | None:
        """Return the test score of an adapter."""
        return TEST.number(result)

    @property
    def circumstances(self) -> dict[str, dict[str, Any]]:
        """By label: how its learning rate was chosen, and how many examples it learns from."""
        given = self.record.budget.get("train_examples") or "all"
        return {
            row.label: {
                "learning rates tried on a task": self._rates(row) if row.entry.trains else None,
                "learning rate, or the first that is tried": first_rate(row.entry.settings, row.entry.default_rate),
                "training examples of a task": given if row.entry.trains else row.entry.settings.get("shots", given),
            }
            for row in self.rows
        }

    def _rates(self, row: MethodRow) -> int | None:
        """Return the most that were tried on a task, 1 where none is chosen; None before the first search has ended."""
        return max((len(search.attempts) for search in row.searches), default=None if self.record.tune else 1)

    @property
    def scored(self) -> list[MethodRow]:
        """The rows that have a score, the best first."""
        means = {row.label: SCORE.number(row) for row in self.rows}
        return sorted(
            (row for row in self.rows if means[row.label] is not None), key=lambda row: -(means[row.label] or 0)
        )

    @property
    def advised(self) -> list[FittedAdapter]:
        """The adapters that may be used: of each method that no verdict puts below another, the best on validation.

        The recommended method stands first; where none is recommended, the reference, then whatever validates best.
        """
        first = (self.recommendation and self.recommendation.label) or self.record.reference
        best: dict[str, FittedAdapter] = {}
        for cell in sorted(self.record.cells, key=lambda cell: -cell.validation):
            best.setdefault(cell.label, cell)
        standing = self.standing  # made of all comparisons each time that it is asked for
        unbeaten = [cell for label, cell in best.items() if not standing.is_beaten(label)]
        return sorted(unbeaten, key=lambda cell: cell.label != first)

    def as_json(self, full: bool = False) -> dict[str, Any]:
        """Return the document of ``report --json``; ``full`` adds each adapter's own numbers."""
        advice = self.recommendation
        document = {
            **self.head("tasks", "budget", "tune", "majority"),
            "recommendation": {"method": advice.label, "why": advice.sentence} if advice else None,
            "methods": {row.label: self._entry(row, full) for row in self.rows},
        }
        return self.checked(document, facts)

    def _entry(self, row: MethodRow, full: bool) -> dict[str, Any]:
        numbers = as_json(METHOD, row)
        return {
            "method": row.entry.method,
            "settings": dict(row.entry.settings),
            **numbers,
            "measured": {**row.measured.as_json(), **numbers["measured"]} if row.measured else None,
            "tasks": {task: row.on(task, TEST.number).as_json() for task in row.tasks},
            "against": row.against.get("") or None,
            "difference": row.difference.as_json() if row.difference else None,
            "learned_nothing": [{"task": task, "seed": seed, "why": why} for task, seed, why in row.learned_nothing],
            "tuning": [search.as_json() for search in row.searches],
            **({"adapters": [asdict(of) for of in row.cells]} if full else {}),
        }


def facts(document: Document) -> Facts | None:
    """Return what the document of a report tells the checklist; None for that of another study."""
    rows = document.get("methods")
    if rows is None:
        return None
    grids = (
        enclosure
        for label, row in rows.items()
        for search in row.get("tuning", [])
        for enclosure in grid(f"{label} on {search['task']}", search["attempts"], search["chosen"], search["seed"])
    )
    compared = compared_rows(rows, document["reference"], ["method"], "score")
    return Facts(tuple(rows), tuple(compared), tuple(grids))


def summarise(record: ComparisonRecord, outcomes: Callable[[str], Path], brief: bool = False) -> ComparisonReport:
    """Return the report on a comparison as far as it has come; ``brief``: without what compares two methods."""
    rows = rows_of(record, outcomes, brief)
    return ComparisonReport(record, rows, recommend(rows, record.reference, unit(record.kinds)))


report = reported(
    ComparisonRecord, lambda record, workspace, brief: summarise(record, workspace.evaluations.require_outcomes, brief)
)


def scored(experiment: str, document: RecordDocument, workspace: Workspace) -> Scores:
    """Return the test score of each method; each task is a problem."""
    record = ComparisonRecord.read(experiment, document, workspace)
    rows = rows_of(record, workspace.evaluations.require_outcomes, brief=True)
    evaluations = workspace.evaluations
    sizes = {of.task: evaluations.require(of.evaluation).examples for of in reversed(record.cells)}

    def examples(of: FittedAdapter, _: str) -> pd.Series | None:
        return scores_by_example(evaluations.require_outcomes(of.evaluation), of.score)

    return scores_of(rows, "score", TEST.number, record, sizes, examples, shared_texts=record.shared_texts)


# --- which method to take: the smallest that is higher than the reference, or that nothing puts below it
#
# Higher and lower are those of the declared test, every method against the reference, adjusted for all of them; one
# that the recipe compares with another method is not recommended. A recommendation asks for more: the unadjusted test
# may not call the method lower either, since a difference that was not found may be there all the same.


@dataclass(frozen=True)
class Recommendation:
    """Which method to take, and why; no label where no method can be recommended, and the sentence says why not."""

    label: str | None
    sentence: str


def recommend(rows: Sequence[MethodRow], reference: str, unit: Unit = PERCENT) -> Recommendation | None:
    """Return the method with the fewest trainable parameters of those that the declared test lets through.

    These are the methods that are higher than the reference; where none is, the reference and every method that the
    unadjusted test does not put below it. Of equally many parameters the higher mean wins.

    Args:
        rows: every method, their differences adjusted as one family.
        reference: the label that the differences are taken from.
        unit: of the scores.

    Returns:
        A recommendation without a label where none is possible: of one method, or with one seed. None where none is
        possible yet: no method has two seeds in common with the reference.
    """
    if len(rows) == 1:
        return Recommendation(None, "There is nothing to compare: the recipe has one method.")
    beside = [row for row in rows if row.label != reference and row.against.get("", reference) == reference]
    if not beside:
        return Recommendation(None, f"Nothing can be recommended: no method is compared with {reference}.")
    measured = [(row, row.difference) for row in beside if row.difference and row.difference.seeds.mean is not None]
    if any(len(difference.seeds.values) == 1 for _, difference in measured):
        return Recommendation(None, f"{_one_seed(rows, unit.sign)}{unit.note}")
    tested = [(row, difference) for row, difference in measured if difference.p is not None]
    if not tested:
        return None
    chosen, sentence = _smallest(next(row for row in rows if row.label == reference), tested)
    return Recommendation(chosen.label, f"{sentence}{unit.note}")


def _one_seed(rows: Iterable[MethodRow], sign: str) -> str:
    scores = {row.label: mean for row in rows if (mean := SCORE.number(row)) is not None}
    best = max(scores, key=lambda label: scores[label])
    score = f"{number(scores[best])}{sign}"
    return f"With one seed nothing can be recommended; the highest score is that of {best} ({score})."


def _smallest(reference: MethodRow, tested: Sequence[Compared]) -> tuple[MethodRow, str]:
    """Return the recommended method, and why."""
    higher = [pair for pair in tested if pair[1].reading == "higher"]
    if higher:
        chosen, difference = min(higher, key=_size)
        which = f"are higher than {reference.label}"
        return chosen, f"{_fewest(chosen, reference, which)}. {_beside(chosen, reference, difference)}"
    smaller = [pair for pair in tested if _size(pair)[0] < (PARAMETERS.number(reference) or 0)]
    unharmed = [pair for pair in smaller if not _is_below(pair[1])]
    over = tested_over(difference for _, difference in tested)
    if unharmed:
        chosen, difference = min(unharmed, key=_size)
        which = f"are not below {reference.label} by the unadjusted test over {over}"
        return chosen, f"{_fewest(chosen, reference, which)}. {_beside(chosen, reference, difference)}"
    if smaller:
        return reference, (
            f"{reference.label}: no method is higher, and each that trains fewer parameters is below it by the "
            f"unadjusted test over {over}."
        )
    size = f"{count(PARAMETERS.number(reference))} parameters"
    return reference, f"{reference.label}: no method is higher, and none trains fewer parameters ({size})."


def _size(pair: Compared) -> tuple[float, float]:
    row, _ = pair
    return PARAMETERS.number(row) or 0, -(SCORE.number(row) or 0)


def _is_below(difference: Difference) -> bool:
    """Return whether the test, not adjusted for other methods, says that the difference is negative."""
    return difference.p is not None and difference.p < LEVEL and side(difference.seeds) == "lower"


def _fewest(chosen: MethodRow, reference: MethodRow, which: str) -> str:
    size, whole = PARAMETERS.number(chosen) or 0, PARAMETERS.number(reference)
    share = f", {_percent(size / whole)} of {reference.label}'s" if whole else ""
    return f"{chosen.label} trains the fewest parameters ({count(size)}{share}) of the methods that {which}"


def _beside(chosen: MethodRow, reference: MethodRow, difference: Difference) -> str:
    return ComparisonInWords(Named(chosen.label), Named(reference.label), SCORED, difference).sentence


def _percent(share: float) -> str:
    percent = 100 * share
    if percent < 0.001:
        return "less than 0.001 %" if percent else "0 %"
    digits = next((digits for digits, least in enumerate((10, 1, 0.1)) if percent >= least), 3)
    return f"{percent:.{digits}f} %"
