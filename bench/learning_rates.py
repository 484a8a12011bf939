"""Which learning rate does single-task validation pick for each method?

    python -m bench.learning_rates three-ways --out FILE.json

Every method is trained on every task of a list alone, at each learning rate of a grid, with the
recipe's budget and seeds that the recipe does not use. Only validation scores are read.

The rule, the same for every method, gives the defaults in the method files: of all rates that were tried the smallest
whose validation score is within one standard error of the best one (paired over tasks and seeds; Breiman et al. 1984,
§ 3.4.3). Of learning rates that teach alike, it is the one that disturbs least.
"""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import typer

from adapter_workbench.workbench.machine.device import resolve_precision
from bench import program
from bench.single_task import TASKS, Point, Scores, measure, plan_for

GRIDS = {
    "full": (5e-5, 1e-4, 2e-4, 4e-4),
    "head": (1e-2, 3e-2, 1e-1, 3e-1),
    "lora": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "pfeiffer": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "houlsby": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
}
METHODS = ",".join(GRIDS)

TaskAndSeed = tuple[str, int]


def main(
    context: typer.Context,
    recipe: program.Recipe,
    out: program.KeptOut,
    tasks: program.Tasks = TASKS,
    methods: program.Methods = METHODS,
    seeds: program.Seeds = "100,101",
) -> None:
    """Measure, and print the mean validation scores and the choice that follows from them."""
    plan = plan_for(recipe, tasks, methods)
    precision = resolve_precision(plan.recipe.budget.precision)
    points = [
        Point(method, task.name, int(seed), precision, rate)
        for seed in seeds.split(",")
        for method in plan.adaptations
        for rate in GRIDS[method]
        for task in plan.tasks
    ]
    results = measure(plan, points, context, out, summarise)
    program.show({name: results[name] for name in ("means", "chosen")})


def summarise(scores: Scores) -> dict[str, Any]:
    """Return the mean score by method and learning rate, and the choice for each method whose grid is complete."""
    grids: dict[str, dict[float, dict[TaskAndSeed, float]]] = {}
    for point, score in scores.items():
        rates = grids.setdefault(point.method, {})
        rates.setdefault(point.learning_rate or 0.0, {})[point.task, point.seed] = score
    means = {
        method: {f"{rate:g}": round(fmean(by_pair.values()), 4) for rate, by_pair in sorted(rates.items())}
        for method, rates in grids.items()
    }
    return {"means": means, "chosen": {method: choose(rates) for method, rates in grids.items() if _complete(rates)}}


def choose(scores: dict[float, dict[TaskAndSeed, float]]) -> float:
    """Return the smallest learning rate within one standard error of the best one.

    Args:
        scores: learning rate → (task, seed) → validation score; the same tasks and seeds for every learning rate.
    """
    best = max(scores, key=lambda rate: fmean(scores[rate].values()))
    for rate in sorted(scores):
        gaps = [scores[best][pair] - score for pair, score in scores[rate].items()]
        if fmean(gaps) <= stdev(gaps) / len(gaps) ** 0.5:
            return rate
    return best


def _complete(rates: dict[float, dict[TaskAndSeed, float]]) -> bool:
    return len({frozenset(by_pair) for by_pair in rates.values()}) == 1 and len(next(iter(rates.values()))) > 1


if __name__ == "__main__":
    typer.run(main)
