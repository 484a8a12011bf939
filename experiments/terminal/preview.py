"""What a dry run prints: what would be trained, and what is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.engine.planning import peak_mb, predicted, predicted_memory
from experiments.engine.speed import method_speed, stream_speed, total
from experiments.reporting.wording import seconds as in_words
from experiments.studies.compositions.plan import FusionPlan
from experiments.studies.methods.plan import ComparisonPlan
from experiments.studies.methods.run import pending, updates
from experiments.terminal.output import emit, stdout, table

if TYPE_CHECKING:
    from experiments.api import AnyPlan, Workbench
    from experiments.studies.stream.plan import Plan


HEADS = {  # narrower than the names in the JSON document, and explained below the table
    "optimiser_steps": "steps",
    "expected_seconds": "seconds",
    "trainable_parameters": "parameters",
    "predicted_memory_mb": "memory MB",
}
MEMORY = "Memory: of a plain training step at full length, model included."


def preview(plan: AnyPlan, bench: Workbench, as_json: bool) -> None:
    """Print the plan of an experiment of any kind."""
    if isinstance(plan, ComparisonPlan):
        _methods(plan, bench, as_json)
    elif isinstance(plan, FusionPlan):
        _compositions(plan, bench, as_json)
    else:
        _stream(plan, bench, as_json)


def _stream(plan: Plan, bench: Workbench, as_json: bool) -> None:
    memory, waiting = predicted_memory(plan), {step.key for step in bench.pending(plan)}
    speed = stream_speed(plan, bench.workspace)
    steps: list[dict[str, Any]] = [
        {
            "strategy": step.contender.label,
            "seed": step.seed,
            "stage": step.stage,
            "task": step.task.name,
            "optimiser_steps": plan.updates(step),
            "predicted_memory_mb": memory(step),
            "expected_seconds": _expected(plan.updates(step), speed(step.contender)),
            "done": step.key not in waiting,
        }
        for step in plan.steps
    ]
    expected = total([step["expected_seconds"] for step in steps if not step["done"]])
    if as_json:
        emit({"recipe": plan.name, "backbone": plan.backbone.name, "expected_seconds": expected, "steps": steps})
        return
    _lines(steps)
    left = sum(step["optimiser_steps"] for step in steps if not step["done"])
    stdout.print(f"\n{len(waiting)} of {len(steps)} steps to train, {left:,} optimiser steps. Nothing was trained.")
    stdout.print(MEMORY)
    _say_time(expected, [step["strategy"] for step in steps if step["expected_seconds"] is None and not step["done"]])


def _compositions(plan: FusionPlan, bench: Workbench, as_json: bool) -> None:
    there = set(bench.workspace.adapters.ids())
    sources = [
        {
            "task": lesson.task.name,
            "method": lesson.adaptation.method,
            "seed": lesson.seed,
            "adapter": lesson.adapter_id,
            "done": lesson.adapter_id in there,
        }
        for lessons in plan.lessons.values()
        for lesson in lessons
    ]
    targets, labels = [target.name for target in plan.targets], [entry.label for entry in plan.entries]
    places = len(targets) * len(plan.budgets) * len(plan.seeds)
    if as_json:
        grid = {"targets": targets, "shots": list(plan.budgets), "seeds": list(plan.seeds), "compositions": labels}
        emit({"recipe": plan.name, "backbone": plan.backbone.name, "sources": sources, **grid})
        return
    _lines(sources)
    stdout.print(f"\nThen {', '.join(labels)} and the plain alternatives, each for {places} problems:")
    stdout.print(f"targets {', '.join(targets)}; K = {', '.join(map(str, plan.budgets))}. Nothing was trained.")


def _methods(plan: ComparisonPlan, bench: Workbench, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    speed = method_speed(plan, bench.workspace)
    for label, adaptation in plan.adaptations.items():
        for task in plan.tasks:
            waiting = pending(plan, bench.workspace, label, task)
            planned = plan.trials(label) + len(plan.recipe.seeds)
            steps = sum(map(updates, waiting))
            cost = predicted(adaptation, plan.recipe.budget, task.max_new_tokens or 0)
            rows.append(
                {
                    "label": label,
                    "method": adaptation.method,
                    "task": task.name,
                    "fits": planned,
                    "to_train": len(waiting),
                    "optimiser_steps": steps,
                    "expected_seconds": _expected(steps, speed(label)) if waiting else 0.0,
                    "trainable_parameters": cost.trainable if cost else None,
                    "predicted_memory_mb": peak_mb(cost),
                }
            )
    left_seconds = total([row["expected_seconds"] for row in rows])
    if as_json:
        seeds = {"seeds": list(plan.recipe.seeds), "tune": plan.recipe.tune}
        about = {"recipe": plan.name, "backbone": plan.recipe.backbone, "expected_seconds": left_seconds}
        emit({**about, **seeds, "methods": rows})
        return
    _lines(rows)
    waiting_fits, left = (sum(row[name] for row in rows) for name in ("to_train", "optimiser_steps"))
    fits = sum(row["fits"] for row in rows)
    stdout.print(f"\n{waiting_fits} of {fits} fits to train, {left:,} optimiser steps. Nothing was trained.")
    stdout.print("Parameters: those of the body that are trained, heads not counted.")
    stdout.print(MEMORY)
    _say_time(left_seconds, [row["label"] for row in rows if row["expected_seconds"] is None])


def _expected(steps: int, pace: float | None) -> float | None:
    return None if pace is None else round(steps * pace, 1)


def _say_time(seconds: float | None, unknown: list[str]) -> None:
    if seconds is None:
        names = ", ".join(dict.fromkeys(unknown))
        stdout.print(f"Time: not known before something like it was trained in this workspace: {names}.")
    else:
        stdout.print(f"Time: {in_words(seconds)} of training, at the speed of earlier fits in this workspace.")


def _lines(rows: list[dict[str, Any]]) -> None:
    """Print rows without the columns that tell nothing: all unknown, or each method named by its own row."""
    told = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    if "label" in told and all(row["label"] == row["method"] for row in rows):
        told.remove("method")
    heads = [HEADS.get(name, name.replace("_", " ")) for name in told]
    table(heads, [[_said(row[name]) for name in told] for row in rows])


def _said(value: Any) -> Any:
    return ("no", "yes")[value] if isinstance(value, bool) else value
