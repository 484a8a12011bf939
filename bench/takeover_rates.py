"""How often does a worse adapter become champion, and how often is one held back that is as good?

    python -m bench.takeover_rates --out docs/results/takeover-rates.json

Answers of a champion and a candidate are drawn with a known loss, and the rule of `workbench update` decides
(:mod:`.takeover`): the functions are those that the commands call. Beside it stands the rule of
version 0.2.0, which compared two scores on all validation rows, those of a new label among them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN
from adapter_workbench.experiments.gating.candidate.by_label import compare_labels
from adapter_workbench.experiments.gating.candidate.comparison import compare
from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
from adapter_workbench.experiments.gating.candidate.mapped_answers import NONE, Answers
from adapter_workbench.experiments.gating.takeover import Takeover, takeover_of
from adapter_workbench.tasks.updating.label_map import LabelMap
from bench import program

LABELS = 4  # that the champion knows, equally many rows each
ACCURACY = 0.8  # of the champion on rows of these
CHANGED = 0.1  # share of the answers that differ: half is won and half is lost if nothing is lost in the mean
NEW_RIGHT = 0.9  # accuracy of the candidate on rows of a label that the champion cannot give
TEST_ROWS = 2  # for each validation row
SIZES = (50, 100, 200, 500, 2_000)  # validation rows whose label both know
LOSSES = (0.0, 1.0, 2.0, 5.0, 10.0)  # points
ONE_LABEL = 20.0  # points that one label loses in the case in which the others win as many


@dataclass(frozen=True)
class Case:
    """What a candidate truly is.

    Attributes:
        lost: points that each label loses, (labels,); negative for a gain.
        new_rows: for each row of a known label, rows of a label that the champion cannot give.
    """

    lost: tuple[float, ...]
    new_rows: float = 0.0


@dataclass(frozen=True)
class Rates:
    """Shares of draws.

    Attributes:
        passes: the candidate becomes champion.
        on_validation: it would if test rows were not looked at.
        shown: the loss of the margin is ruled out on validation rows.
        before: it would have become champion by the rule of version 0.2.0.
        flattered: mean points by which the test difference of candidates that pass is above that of all.
    """

    passes: float
    on_validation: float
    shown: float
    before: float
    flattered: float | None


def main(
    context: typer.Context,
    out: program.Out,
    draws: Annotated[int, typer.Option(help="Candidates drawn for each cell.")] = 2_000,
) -> None:
    """Draw candidates for each size and case, and write how often they become champion."""
    same = {f"{loss:g} points": Case((loss,) * LABELS) for loss in LOSSES}
    others = -ONE_LABEL / (LABELS - 1)
    cases = {
        **same,
        "one label": Case((ONE_LABEL, *(others,) * (LABELS - 1))),
        "5 points, a new label": Case((5.0,) * LABELS, new_rows=1 / LABELS),
    }
    results = {
        name: {str(rows): asdict(rates(case, rows, draws, np.random.default_rng([rows, number]))) for rows in SIZES}
        for number, (name, case) in enumerate(cases.items())
    }
    facts = {"labels": LABELS, "accuracy": ACCURACY, "changed": CHANGED, "test_rows": TEST_ROWS, "margin": MARGIN}
    program.write(context, out, None, settings=facts, rates=results)
    program.show(results)


def rates(case: Case, rows: int, draws: int, random: np.random.Generator) -> Rates:
    """Return the rates of so many candidates with ``rows`` validation rows whose label both know."""
    decisions = [_decided(case, rows, random) for _ in range(draws)]
    passes, test = (np.array([getattr(decided, name) for decided in decisions]) for name in ("passes", "test"))
    return Rates(
        passes=float(passes.mean()),
        on_validation=fmean(decided.validation for decided in decisions),
        shown=fmean(decided.shown for decided in decisions),
        before=fmean(decided.before for decided in decisions),
        flattered=float(100 * (test[passes].mean() - test.mean())) if passes.any() else None,
    )


@dataclass(frozen=True)
class _Decided:
    passes: bool
    validation: bool
    shown: bool
    before: bool
    test: float


def _decided(case: Case, rows: int, random: np.random.Generator) -> _Decided:
    validation, test = drawn(case, rows, random), drawn(case, TEST_ROWS * rows, random)
    groups, labels = compare(test), compare_labels(test, _labels(case), tuple(range(LABELS)))
    outcome = takeover_of(validation, groups, labels, MARGIN, later=True)
    if not isinstance(outcome, Takeover):
        raise RuntimeError("each draw has rows of known labels")
    alone = replace(outcome, lower=())  # as if test rows were not looked at
    above = test.candidate_right[test.known].mean() - test.champion_right[test.known].mean()
    before = validation.candidate_right.mean() > validation.champion_right.mean()
    return _Decided(outcome.holds, alone.holds, alone.is_shown, bool(before), float(above))


def drawn(case: Case, rows: int, random: np.random.Generator) -> JudgedRows:
    """Return rows with both answers; a wrong answer is the next label."""
    gold = np.arange(rows) % LABELS
    lost = np.array(case.lost)[gold] / 100
    quantile = random.random(rows)  # of a row between 0 and 1: what it is to both
    first, second = (CHANGED + lost) / 2, (CHANGED - lost) / 2  # right by the champion alone, by the candidate alone
    short = np.maximum(-np.minimum(first, second), 0)  # where more is lost than changes: as many more answers change
    first, second = first + short, second + short
    both = quantile >= 1 - ACCURACY + first
    champion, candidate = (quantile < first) | both, ((quantile >= first) & (quantile < first + second)) | both
    new = round(rows * case.new_rows)
    if new:
        gold = np.concatenate([gold, np.full(new, LABELS)])
        champion = np.concatenate([champion, np.zeros(new, dtype=bool)])
        candidate = np.concatenate([candidate, random.random(new) < NEW_RIGHT])
    names = _labels(case).labels
    return JudgedRows(
        ids=tuple(map(str, range(len(gold)))),
        texts=(),
        gold=gold,
        old=np.ones(len(gold), dtype=bool),
        known=gold < LABELS,
        champion=_answers(gold, champion, names),
        candidate=_answers(gold, candidate, names),
        names=names,
    )


def _answers(gold: NDArray[np.int64], right: NDArray[np.bool_], names: tuple[str, ...]) -> Answers:
    given = np.where(right, gold, np.where(gold < LABELS, (gold + 1) % LABELS, NONE))
    return Answers(given, np.ones(len(gold)), tuple(names[label] for label in given))


def _labels(case: Case) -> LabelMap:
    before = tuple("abcd"[:LABELS])
    kept = tuple((position,) for position in range(LABELS))
    return LabelMap(before, (*before, "new"), (*kept, ())) if case.new_rows else LabelMap(before, before, kept)


if __name__ == "__main__":
    typer.run(main)
