"""Validation scores of methods on single tasks, point by point; what is in the file already is not measured again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.engine.provenance import provenance
from experiments.engine.recipes import find_recipe
from experiments.studies.compositions.few_shot import few_shot_budget
from experiments.studies.stream.plan import Plan, make_plan
from workbench.atomic import write_whole
from workbench.device import Precision, resolve_precision
from workbench.listener import Silent
from workbench.training import Lesson, teach


@dataclass(frozen=True)
class Point:
    """One fit; ``learning_rate`` None means the method's default."""

    method: str
    task: str
    seed: int
    precision: Precision
    learning_rate: float | None = None


TASKS = "bbc-news,election-tweets,20news-3,reuters-r8"
Scores = dict[Point, float]


def plan_for(recipe: str, tasks: Iterable[str], methods: Iterable[str], shots: int | None = None) -> Plan:
    """Return a plan with a recipe's backbone and budget, each of ``methods`` isolated on each of ``tasks``.

    With ``shots`` the budget is that of few-shot work, but for the validation split, which stays the recipe's.
    """
    names = list(methods)
    strategies = {name: {"strategy": "isolated", "method": name} for name in names}
    changes: dict[str, Any] = {"strategies": strategies, "reference": names[0], "tasks": list(tasks)}
    if shots:
        few = few_shot_budget({}, shots)
        changes |= {f"budget.{name}": few[name] for name in ("epochs", "train_examples")}
    return make_plan(find_recipe(recipe).set(f"{key}={json.dumps(value)}" for key, value in changes.items()))


def measure(
    plan: Plan, points: Iterable[Point], out: Path, command: str, summarise: Callable[[Scores], dict[str, Any]]
) -> dict[str, Any]:
    """Fit every point, and keep ``out`` up to date with the scores and what ``summarise`` makes of them."""
    known = json.loads(out.read_text(encoding="utf-8"))["scores"] if out.is_file() else []
    rows = {Point(**{name: row[name] for name in Point.__dataclass_fields__}): row for row in known}
    document: dict[str, Any] = {}
    for point in points:
        if point not in rows:
            rows[point] = {**asdict(point), **_fitted(plan, point)}
        document = {
            "provenance": provenance(command),
            "budget": plan.recipe.budget.model_dump(mode="json"),
            **summarise({known: row["validation"] for known, row in rows.items()}),
            "scores": list(rows.values()),
        }
        write_whole(out, json.dumps(document, indent=1))
    return document


def _fitted(plan: Plan, point: Point) -> dict[str, float]:
    contender = next(one for one in plan.contenders if one.method == point.method)
    task = next(one for one in plan.tasks if one.name == point.task)
    adaptation = replace(plan.adaptation(contender), precision=resolve_precision(point.precision))
    if point.learning_rate is not None:
        settings = adaptation.settings.model_copy(update={"learning_rate": point.learning_rate})
        adaptation = replace(adaptation, settings=settings)
    _, record = teach(Lesson(task, adaptation, plan.recipe.budget, point.seed), Silent(), task.name)
    return {"validation": record.validation, "seconds": round(record.seconds, 2)}
