"""How often is a declared test wrong, and how often does it find a difference?

    python -m bench.declared_tests --out docs/results/declared-tests.json

Scores with known truth are drawn, and each test of `workbench/measures/declared_tests.py` says what it sees of them:
the type I error and the power with 3, 5 and 8 seeds and 2 and 12 rows; what unequal spreads do to each way of pooling
variances, which is how the pooled test was chosen; seeds crossed with orders; texts that several tasks test; equal
differences on small test sets; and looks after 3, 5 and 8 seeds. It trains nothing and takes some minutes of one
processor.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from bench import error_rates, looks_simulated, program, simulated_scores


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
        "looks": [*looks_simulated.looks(random, draws)],
        "designs": [looks_simulated.as_run(random, designs, effect=effect) for effect in (0.0, error_rates.EFFECT)],
    }
    program.write(context, out, None, **results)
    program.show({"declared": results["declared"], "designs": results["designs"]})


if __name__ == "__main__":
    typer.run(main)
