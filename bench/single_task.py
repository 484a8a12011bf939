"""Validation scores of methods on single tasks, point by point; what is in the file already is not measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.studies.methods.plan import ComparisonPlan, make_plan
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.machine.device import Precision, resolve_precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.settings.document import Document
from adapter_workbench.workbench.training import teach
from bench import program

if TYPE_CHECKING:
    import typer

TASKS = "bbc-news,election-tweets,20news-3,reuters-r8"


@dataclass(frozen=True)
class Point:
    """One fit; ``learning_rate`` None means the method's default."""

    method: str
    task: str
    seed: int
    precision: Precision
    learning_rate: float | None = None


Scores = dict[Point, float]


def plan_for(recipe: str, tasks: str | None, methods: str, budget: Mapping[str, Any] | None = None) -> ComparisonPlan:
    """Return a comparison of methods with a recipe's backbone and budget; tasks and methods are named with commas.

    Without ``tasks`` they are the recipe's; ``budget`` holds what differs from its budget.
    """
    data = find_recipe(recipe).data
    comparison = {
        "name": "single-tasks",
        "backbone": data["backbone"],
        "tasks": tasks.split(",") if tasks else data["tasks"],
        "methods": {name: {} for name in methods.split(",")},
        "budget": {**data["budget"], **(budget or {})},
    }
    return make_plan(Document(comparison, recipe), registry.user_folders(None))


def measure(
    plan: ComparisonPlan,
    points: Iterable[Point],
    context: typer.Context,
    out: Path,
    summarise: Callable[[Scores], dict[str, Any]],
) -> dict[str, Any]:
    """Fit every point, and keep ``out`` up to date with the scores and what ``summarise`` makes of them."""
    rows = program.known(out, "scores", empty=[])
    fits = {Point(**{name: row[name] for name in Point.__dataclass_fields__}): row for row in rows}
    results: dict[str, Any] = {"budget": plan.recipe.budget.model_dump(mode="json")}
    for point in points:
        if point not in fits:
            fits[point] = {**asdict(point), **_fitted(plan, point)}
        results |= summarise({fitted_point: row["validation"] for fitted_point, row in fits.items()})
        results["scores"] = list(fits.values())
        program.write(context, out, **results)
    return results


def _fitted(plan: ComparisonPlan, point: Point) -> dict[str, float]:
    task = next(task for task in plan.tasks if task.name == point.task)
    lesson = plan.lesson(point.method, task, point.seed, point.learning_rate)
    adaptation = replace(lesson.adaptation, precision=resolve_precision(point.precision))
    _, fit = teach(replace(lesson, adaptation=adaptation), Silent(), task.name)
    return {"validation": fit.validated, "seconds": round(fit.seconds, 2)}
