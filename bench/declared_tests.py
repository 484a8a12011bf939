"""How often is a declared test wrong, and how often does it find a difference?

    python -m bench.declared_tests --out docs/results/declared-tests.json

Scores with known truth are drawn, and each test of `workbench/measures/declared_tests.py` says what it sees of them:
the type I error and the power with 3, 5 and 8 seeds and 2 and 12 rows; what unequal spreads do to each way of pooling
variances, which is how the pooled test was chosen; seeds crossed with orders; texts that several tasks test; equal
differences on small test sets; and looks after 3, 5 and 8 seeds: which levels hold 5 % together, what they find, and
after how many seeds. It trains nothing and takes some minutes of one processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import typer

from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.replications import paired as difference
from adapter_workbench.experiments.studies.core.planned import settled
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.looks import LEVELS, LOOKS
from bench import error_rates, program, simulated_scores
from bench.error_rates import EFFECT, holm_rows, shifted
from bench.simulated_scores import Scores
from bench.variance_choices import checked_at_a_look, paired

RULES = {  # level of each look
    "rising": tuple(LEVELS.values()),
    "equal": (0.019, 0.019, 0.019),
    "equal shares": (0.05 / 3, 0.05 / 3, 0.05 / 3),
    "spending, Pocock": (0.0249, 0.0192, 0.0229),  # Lan & DeMets 1983 at 3/8, 5/8 and all of the information
    "spending, O'Brien-Fleming": (0.0014, 0.0127, 0.0449),
    "eight seeds at once": (0.0, 0.0, 0.05),
}
SCORE = "score"  # the metric that decides
TESTS: dict[str, Callable[..., Any]] = {"paired": paired, "pooled": checked_at_a_look}


def main(
    context: typer.Context,
    out: program.Out,
    draws: Annotated[int, typer.Option(help="Tables for each rate.")] = 20_000,
    designs: Annotated[int, typer.Option(help="Whole designs with looks, computed one by one.")] = 3000,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
) -> None:
    """Draw scores, and write how often each test errs."""
    random = np.random.default_rng(seed)
    results = {
        "spreads_in_words": dict(simulated_scores.SPREADS),
        "declared": [*error_rates.declared(random, draws)],
        "unequal_spreads": [*error_rates.unequal_spreads(random, draws)],
        "unequal_tasks": [*error_rates.unequal_tasks(random, draws)],
        "orders": [*error_rates.orders(random, draws)],
        "both_agree": [*error_rates.both_agree(random, draws)],
        "texts_shared": [*error_rates.texts_shared(random, draws)],
        "equal_differences": [*error_rates.equal_differences(random, draws)],
        "looks": [*looks(random, draws)],
        "designs": [as_run(random, designs, effect=effect) for effect in (0.0, error_rates.EFFECT)],
    }
    program.write(context, out, None, **results)
    program.show({"declared": results["declared"], "designs": results["designs"]})


def looks(
    random: np.random.Generator, number: int, rows: int = 12, rules: Mapping[str, tuple[float, ...]] = RULES
) -> Iterator[dict[str, Any]]:
    """Yield for each rule and test the type I error, the power and the mean number of seeds, of a row of 12.

    All rows are taken to go on, so that one set of tables serves all rules: see :func:`as_run` for what stopping does.
    """
    for test, moments_of in TESTS.items():
        table = simulated_scores.table(random, number, np.ones(rows), max(LOOKS))
        seen = [moments_of(table[..., :seeds]) for seeds in LOOKS]
        for rule, levels in rules.items():
            yield {"test": test, "rule": rule, "levels": levels, **_rates(seen, levels)}


def _rates(seen: list[Moments], levels: tuple[float, ...]) -> dict[str, float]:
    alone = decided([moments.differs() for moments in seen], levels)[0]
    family = decided([holm_rows(moments.differs()) for moments in seen], levels)[0]
    rates: dict[str, float] = {}
    for effect in (2.0, EFFECT):
        moved = [holm_rows(shifted(moments, effect, slice(0, 1)).differs()) for moments in seen]
        hit, seeds = decided(moved, levels)
        rates |= {f"power_{effect:.0f}": float(hit[:, 0].mean()), f"seeds_{effect:.0f}": float(seeds[:, 0].mean())}
    at_margin = decided([shifted(moments, EFFECT).equals(EFFECT) for moments in seen], levels)[0]
    equal, seeds = decided([holm_rows(moments.equals(EFFECT)) for moments in seen], levels)
    return {
        "type_1": float(alone.mean()),
        "family": float(family.any(1).mean()),
        **rates,
        "equal_type_1": float(at_margin.mean()),
        "equal_power": float(equal.mean()),
        "equal_seeds": float(seeds.mean()),
    }


def decided(chances: list[Scores], levels: tuple[float, ...]) -> tuple[Scores, Scores]:
    """Return whether any look decides, and after how many seeds it stops; p values (N, m) at each look."""
    hit, stopped = np.zeros(chances[0].shape, dtype=bool), np.full(chances[0].shape, float(LOOKS[-1]))
    for seeds, level, p in zip(LOOKS, levels, chances, strict=True):
        now = (p < level) & ~hit
        stopped[now] = seeds
        hit |= now
    return hit, stopped


def as_run(random: np.random.Generator, number: int, rows: int = 12, effect: float = 0.0) -> dict[str, float]:
    """Return what comes of whole designs: pooled, rows that are decided stop, and the others go on.

    Args:
        random: draws.
        number: of designs.
        rows: with the reference.
        effect: true difference of the first row after the reference, in points; of all others it is 0.

    Returns:
        family: share of designs with any false "higher" or "lower"; found: with the first row found; seeds: mean number
        of fits of a row, the reference included.
    """
    false, hits, fits = 0, 0, 0.0
    for _ in range(number):
        table = simulated_scores.table(random, 1, np.ones(rows), max(LOOKS))[0]
        table[1] += effect
        outcome = design(table)
        different = [row for row, of in outcome.items() if of.reading in ("higher", "lower")]
        hits += "1" in different
        false += any(row != "1" or not effect for row in different)
        stops = [of.look or 0 for of in outcome.values()]
        fits += (sum(stops) + max(stops)) / rows
    return {"effect": effect, "family": false / number, "found": hits / number, "seeds": fits / number}


def design(table: Scores, margin: float = EFFECT) -> dict[str, Difference]:
    """Return row → its difference as the look read it at which it stopped; scores (R, 8), row 0 is the reference.

    Families, readings and what stays at which look are those of reports.
    """
    rows = range(1, len(table))
    gaps, seeds_of = table - table[0], dict.fromkeys(rows, 0)
    by_look: dict[int, dict[str, dict[str, Difference]]] = {}
    read: dict[str, Difference] = {}
    for look in LOOKS:
        seeds_of |= {row: look for row in rows if str(row) not in read or not read[str(row)].is_decided}
        if look not in seeds_of.values():
            break
        known = {str(row): difference(_first(gaps[row], seeds, look), range(look)) for row, seeds in seeds_of.items()}
        by_look[look] = {SCORE: in_family(known, DeclaredTest("pooled", margin, LEVELS[look]))}
        read = settled(by_look, SCORE)[SCORE]
    return read


def _first(gaps: Scores, seeds: int, look: int) -> list[float | None]:
    """Return the gaps of the first ``seeds``, and None for the others up to the look."""
    return [*gaps[:seeds].tolist(), *[None] * (look - seeds)]


if __name__ == "__main__":
    typer.run(main)
