"""Does bf16 keep the score that fp32 reaches, and what does it save?

    python -m bench.precision three-ways --out FILE.json

Every method is trained on every task of a list alone in both precisions, at its default learning rate, with
seeds that the recipe does not use. The difference of validation scores is paired over methods, tasks and seeds.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from adapter_workbench.workbench.measures.statistics import interval
from bench import program
from bench.single_task import TASKS, Point, Scores, measure, plan_for


def main(
    context: typer.Context,
    recipe: program.Recipe,
    out: program.KeptOut,
    tasks: program.Tasks = TASKS,
    methods: program.Methods = "full,lora,pfeiffer",
    seeds: program.Seeds = "100,101",
    budget: Annotated[str, typer.Option(help="What differs from the recipe's budget, as JSON.")] = "{}",
) -> None:
    """Measure, and print the paired difference bf16 − fp32 and the seconds of both."""
    plan = plan_for(recipe, tasks, methods, json.loads(budget))
    points = [
        Point(method, task.name, int(seed), precision)
        for seed in seeds.split(",")
        for method in plan.adaptations
        for task in plan.tasks
        for precision in ("bf16", "fp32")
    ]
    results = measure(plan, points, context, out, summarise)
    seconds = {
        precision: round(sum(row["seconds"] for row in results["scores"] if row["precision"] == precision), 1)
        for precision in ("bf16", "fp32")
    }
    program.show({"difference": results["difference"], "seconds": seconds})


def summarise(scores: Scores) -> dict[str, Any]:
    """Return mean and 95 % interval of score(bf16) − score(fp32) over the points that have both."""
    pairs: dict[tuple[str, str, int], dict[str, float]] = {}
    for point, score in scores.items():
        pairs.setdefault((point.method, point.task, point.seed), {})[point.precision] = score
    difference = interval(pair["bf16"] - pair["fp32"] for pair in pairs.values() if len(pair) == 2)
    return {"difference": difference.as_json()}


if __name__ == "__main__":
    typer.run(main)
