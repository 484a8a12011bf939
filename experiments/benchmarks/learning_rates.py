"""Which learning rate does single-task validation pick for each method?

    python -m experiments.benchmarks.learning_rates quickstart --out FILE.json

Every method of the recipe is trained on every task of its stream alone, at each learning rate of a grid, with the
recipe's budget and seeds that the recipe does not use. Only validation scores are read. What is chosen for a method is
the smallest learning rate whose validation score is within one standard error of the best one (paired over tasks and
seeds; Breiman et al. 1984, § 3.4.3): of learning rates that teach alike, the one that disturbs least. The rule is the
same for all methods, and the defaults in the method files are what it gives.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.plan import make_plan
from experiments.provenance import provenance
from experiments.recipe import find_recipe
from workbench.assets import write_whole
from workbench.contracts import Silent
from workbench.sampling import draw
from workbench.training import fit

if TYPE_CHECKING:
    from experiments.recipe import Recipe

Point = tuple[str, int]

GRIDS = {
    "full": (5e-5, 1e-4, 2e-4, 4e-4),
    "head": (1e-2, 3e-2, 1e-1, 3e-1),
    "lora": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "pfeiffer": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "houlsby": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
}


def main(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results; finished points in it are kept.")],
    methods: Annotated[str, typer.Option(help="Methods, with commas.")] = "full,lora,pfeiffer",
    seeds: Annotated[str, typer.Option(help="Seeds, with commas; not the recipe's.")] = "100,101",
) -> None:
    """Measure, and write the table of validation scores and the choice that follows from it."""
    names = methods.split(",")
    strategies = {name: {"strategy": "isolated", "method": name} for name in names}
    document = find_recipe(recipe).set([f"strategies={json.dumps(strategies)}", f"reference={names[0]}"])
    plan = make_plan(document)
    known = json.loads(out.read_text(encoding="utf-8"))["scores"] if out.is_file() else []
    done = {(one["method"], one["learning_rate"], one["task"], one["seed"]): one for one in known}
    for seed in map(int, seeds.split(",")):
        for contender in plan.contenders:
            for rate in GRIDS[contender.method]:
                for task in plan.tasks:
                    point = (contender.method, rate, task.name, seed)
                    if point not in done:
                        adaptation = plan.adaptation(contender)
                        settings = adaptation.settings.model_copy(update={"learning_rate": rate})
                        adaptation = type(adaptation)(
                            adaptation.backbone, adaptation.method, settings, adaptation.precision
                        )
                        model = adaptation.fresh(task.kind, len(task.labels), seed)
                        budget = plan.recipe.budget
                        record = fit(model, draw(task, budget, seed), adaptation, budget, seed, Silent(), task.name)
                        done[point] = dict(zip(("method", "learning_rate", "task", "seed"), point, strict=True))
                        done[point] |= {"validation": record.validation, "seconds": round(record.seconds, 2)}
                        write_whole(out, json.dumps(_summary(list(done.values()), recipe, plan.recipe), indent=1))
    typer.echo(json.dumps(_summary(list(done.values()), recipe, plan.recipe)["means"], indent=1))


def choose(scores: dict[float, dict[Point, float]]) -> float:
    """Return the smallest learning rate within one standard error of the best: learning rate → point → score."""
    best = max(scores, key=lambda rate: fmean(scores[rate].values()))
    for rate in sorted(scores):
        gaps = [scores[best][point] - score for point, score in scores[rate].items()]
        if fmean(gaps) <= stdev(gaps) / len(gaps) ** 0.5:
            return rate
    return best


def _summary(points: list[dict[str, Any]], recipe_name: str, recipe: Recipe) -> dict[str, Any]:
    scores: dict[str, dict[float, dict[Point, float]]] = {}
    for one in points:
        by_rate = scores.setdefault(one["method"], {}).setdefault(one["learning_rate"], {})
        by_rate[one["task"], one["seed"]] = one["validation"]
    means = {
        method: {f"{rate:g}": round(fmean(each.values()), 4) for rate, each in rates.items()}
        for method, rates in scores.items()
    }
    complete = {method: rates for method, rates in scores.items() if _complete(rates)}
    return {
        "provenance": provenance(f"python -m experiments.benchmarks.learning_rates {recipe_name}"),
        "budget": recipe.budget.model_dump(mode="json"),
        "means": means,
        "chosen": {method: choose(rates) for method, rates in complete.items()},
        "scores": points,
    }


def _complete(rates: dict[float, dict[Point, float]]) -> bool:
    return len({frozenset(each) for each in rates.values()}) == 1 and len(next(iter(rates.values()))) > 1


if __name__ == "__main__":
    typer.run(main)
