"""Which learning rate does single-task validation pick for each method?

    python -m experiments.benchmarks.learning_rates quickstart --out FILE.json

Every method is trained on every task of a list alone, at each learning rate of a grid, with the
recipe's budget and seeds that the recipe does not use. Only validation scores are read. What is chosen for a method is
the smallest learning rate whose validation score is within one standard error of the best one (paired over tasks and
seeds; Breiman et al. 1984, § 3.4.3): of learning rates that teach alike, the one that disturbs least. The rule is the
same for all methods, and the defaults in the method files are what it gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import typer

from experiments.benchmarks.single_task import TASKS, Point, Scores, measure, plan_for
from workbench.device import resolve_precision

GRIDS = {
    "full": (5e-5, 1e-4, 2e-4, 4e-4),
    "head": (1e-2, 3e-2, 1e-1, 3e-1),
    "lora": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "pfeiffer": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "houlsby": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
}
FEW_SHOT_GRIDS = {
    "full": (2e-5, 5e-5, 1e-4, 2e-4, 4e-4),
    "lora": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2),
    "pfeiffer": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2),
}


def main(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results; finished points in it are kept.")],
    tasks: Annotated[str, typer.Option(help="Tasks, with commas; not only those of the recipe.")] = TASKS,
    methods: Annotated[str, typer.Option(help="Methods, with commas.")] = ",".join(GRIDS),
    seeds: Annotated[str, typer.Option(help="Seeds, with commas; not the recipe's.")] = "100,101",
    shots: Annotated[
        int | None, typer.Option(help="So few training examples, seen as often as `fuse` sees them.")
    ] = None,
) -> None:
    """Measure, and print the mean validation scores and the choice that follows from them."""
    grids = FEW_SHOT_GRIDS if shots else GRIDS
    plan = plan_for(recipe, tasks.split(","), methods.split(","), shots)
    precision = resolve_precision(plan.recipe.budget.precision)
    points = [
        Point(method, task.name, int(seed), precision, rate)
        for seed in seeds.split(",")
        for method in methods.split(",")
        for rate in grids[method]
        for task in plan.tasks
    ]
    command = (
        f"python -m experiments.benchmarks.learning_rates {recipe} --tasks {tasks} --methods {methods} --seeds {seeds}"
        + (f" --shots {shots}" if shots else "")
    )
    document = measure(plan, points, out, command, summarise)
    typer.echo(json.dumps({name: document[name] for name in ("means", "chosen")}, indent=1))


def summarise(scores: Scores) -> dict[str, Any]:
    """Return the mean score by method and learning rate, and the choice for each method whose grid is complete."""
    grids: dict[str, dict[float, dict[tuple[str, int], float]]] = {}
    for point, score in scores.items():
        by_rate = grids.setdefault(point.method, {}).setdefault(point.learning_rate or 0.0, {})
        by_rate[point.task, point.seed] = score
    means = {
        method: {f"{rate:g}": round(fmean(each.values()), 4) for rate, each in sorted(rates.items())}
        for method, rates in grids.items()
    }
    return {"means": means, "chosen": {method: choose(rates) for method, rates in grids.items() if _complete(rates)}}


def choose(scores: dict[float, dict[tuple[str, int], float]]) -> float:
    """Return the smallest learning rate within one standard error of the best one.

    Args:
        scores: learning rate → (task, seed) → validation score; the same tasks and seeds for every learning rate.
    """
    best = max(scores, key=lambda rate: fmean(scores[rate].values()))
    for rate in sorted(scores):
        gaps = [scores[best][place] - score for place, score in scores[rate].items()]
        if fmean(gaps) <= stdev(gaps) / len(gaps) ** 0.5:
            return rate
    return best


def _complete(rates: dict[float, dict[tuple[str, int], float]]) -> bool:
    return len({frozenset(each) for each in rates.values()}) == 1 and len(next(iter(rates.values()))) > 1


if __name__ == "__main__":
    typer.run(main)
