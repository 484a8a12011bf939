"""Which router finds the right adapter when nobody names the task, and how far is that from joint training?

    python -m experiments.benchmarks.routing quickstart --out FILE.json

One LoRA is trained for each task alone, with the recipe's backbone and budget; each router then sends the test texts of
all tasks to one of them. Beside the routers stand the oracle, which is told the task, and joint training: one model and
one head for all classes, by LoRA and in full, on the same examples of all tasks together, for as many epochs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import numpy as np
import typer

from experiments.answers.routed import known_state
from experiments.benchmarks.routing_report import markdown, run_record
from experiments.benchmarks.single_task import plan_for
from experiments.benchmarks.task_free_evaluation import ALL, TaskFree, joint_outcome, joint_task, own_answers, routed
from experiments.engine.provenance import provenance
from experiments.studies.stream.plan import Plan
from experiments.terminal.progress import progress
from experiments.workspace import Workspace, find_workspace
from fusion.routing import ROUTERS
from workbench.atomic import write_whole
from workbench.errors import InputError, TrackingError
from workbench.listener import Listener
from workbench.mlflow.address import tracking_uri
from workbench.mlflow.tracker import Tracker
from workbench.sampling import draw
from workbench.statistics import interval, paired_bootstrap
from workbench.store import AdapterStore
from workbench.stored_adapter import StoredAdapter
from workbench.task import Task
from workbench.training import Lesson, learn

TASKS = "bbc-news,election-tweets,20news-3,20news-4,20news-6,20news-7,20news-5,20news-8"
METHOD = "lora"
JOINT = {"joint-lora": "lora", "joint-full": "full"}


def main(
    recipe: Annotated[str, typer.Argument(help="Name or path of a recipe.")],
    out: Annotated[Path, typer.Option(help="JSON file for the results; finished points in it are kept.")],
    tasks: Annotated[str, typer.Option(help="Tasks, with commas; not only those of the recipe.")] = TASKS,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0,1,2",
    workspace: Annotated[Path | None, typer.Option(help="Where adapters are kept, as for `workbench`.")] = None,
) -> None:
    """Measure, print a table of all contenders, and log them to MLflow."""
    plan = plan_for(recipe, tasks.split(","), [METHOD, *set(JOINT.values()) - {METHOD}])
    command = f"python -m experiments.benchmarks.routing {recipe} --tasks {tasks} --seeds {seeds}"
    place = find_workspace(workspace)
    with progress("routing") as listener:
        document = measure(plan, [int(seed) for seed in seeds.split(",")], out, command, place, listener)
    try:
        Tracker(tracking_uri(place.root)).sync("routing", run_record(document))
    except TrackingError as error:
        typer.echo(f"not logged: {error}", err=True)
    typer.echo(markdown(document))


def measure(
    plan: Plan, seeds: list[int], out: Path, command: str, workspace: Workspace, listener: Listener
) -> dict[str, Any]:
    """Measure every contender with every seed, and keep ``out`` up to date with the points and their summary.

    Raises:
        InputError: ``out`` holds points of other tasks or another budget.
    """
    same = {"tasks": [task.name for task in plan.tasks], "budget": plan.recipe.budget.model_dump(mode="json")}
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {**same, "points": []}
    if any(document[name] != value for name, value in same.items()):
        raise InputError("this file holds results of other tasks or another budget", where=str(out))
    points = document["points"]
    for seed in seeds:
        round_ = Round(plan, seed, workspace, listener)
        for label in (*ROUTERS.names(), *JOINT):
            if not any(point["contender"] == label and point["seed"] == seed for point in points):
                listener.say(f"seed {seed}: {label}")
                points.append({"contender": label, "seed": seed, **round_.point(label)})
            document = {"provenance": provenance(command), **same, "contenders": summarise(points), "points": points}
            write_whole(out, json.dumps(document, indent=1))
    return document


@dataclass(frozen=True)
class Round:
    """All contenders with one seed."""

    plan: Plan
    seed: int
    workspace: Workspace
    listener: Listener

    def point(self, label: str) -> dict[str, Any]:
        """Return how one contender does, with its outcomes text by text, and what it took."""
        outcome, seconds = self._joint(JOINT[label]) if label in JOINT else self._router(label)
        names = [task.name for task in self.plan.tasks]
        return {
            "accuracy": outcome.accuracy,
            "routing_accuracy": outcome.routing_accuracy,
            "confusion": np.round(outcome.confusion, 4).tolist(),
            "correct": {
                name: "".join(str(int(right)) for right in each)
                for name, each in zip(names, outcome.correct, strict=True)
            },
            **seconds,
        }

    def _router(self, name: str) -> tuple[TaskFree, dict[str, float]]:
        plan, settings = self.plan, ROUTERS.get(name).settings()
        adapters, own = self._isolated
        by_name = {task.name: draw(task, plan.recipe.budget, self.seed) for task in plan.tasks}

        def task_of(adapter: StoredAdapter) -> Task:
            return by_name[adapter.manifest.task.name]

        began = time.perf_counter()
        state = known_state(name, settings, adapters, plan.backbone, self.workspace.router, task_of, self.listener)
        known = time.perf_counter()
        outcome = routed(state, plan.tasks, own, plan.recipe.budget)
        texts = sum(len(each) for each in outcome.chosen)
        took = (time.perf_counter() - known) / texts * 1000
        return outcome, {"fit_seconds": round(known - began, 2), "milliseconds_a_text": round(took, 3)}

    def _joint(self, method: str) -> tuple[TaskFree, dict[str, float]]:
        plan = self.plan
        joint = joint_task(plan.tasks, plan.recipe.budget, self.seed)
        # not among the workspace's adapters: a router over those must not find a task that no catalog holds
        adapter = self._learned(joint, method, AdapterStore(self.workspace.root / "joint"), ALL)
        outcome = joint_outcome(adapter, joint, plan.tasks, plan.backbone)
        return outcome, {"fit_seconds": round(adapter.manifest.fit.seconds, 2)}

    @cached_property
    def _isolated(self) -> tuple[list[StoredAdapter], list[Any]]:
        plan, store = self.plan, self.workspace.adapters
        adapters = [self._learned(task, METHOD, store, {}) for task in plan.tasks]
        return adapters, own_answers(adapters, plan.tasks, plan.backbone, plan.recipe.budget)

    def _learned(self, task: Task, method: str, store: AdapterStore, budget: dict[str, Any]) -> StoredAdapter:
        contender = next(one for one in self.plan.contenders if one.method == method)
        changed = self.plan.recipe.budget.model_copy(update=budget)
        lesson = Lesson(task, self.plan.adaptation(contender), changed, self.seed)
        return learn(lesson, store, self.listener, f"{task.name} · {method} · seed {self.seed}")


def summarise(points: list[dict[str, Any]]) -> dict[str, Any]:
    """Return for each contender what holds over seeds.

    ``accuracy`` and ``routing_accuracy`` with t intervals over seeds; ``minus``: the difference in accuracy to each
    joint model with a paired bootstrap interval over test texts, each text's outcome averaged over the seeds that both
    have; ``confusion``: the mean over seeds; and the seconds.
    """
    by_label: dict[str, dict[int, dict[str, Any]]] = {}
    for point in points:
        by_label.setdefault(point["contender"], {})[point["seed"]] = point
    return {label: dict(_summary(label, seeds, by_label)) for label, seeds in by_label.items()}


def _summary(
    label: str, seeds: dict[int, dict[str, Any]], by_label: dict[str, dict[int, dict[str, Any]]]
) -> Iterator[tuple[str, Any]]:
    for name in ("accuracy", "routing_accuracy"):
        yield name, interval(point[name] for point in seeds.values()).as_json()
    yield (
        "minus",
        {other: _difference(seeds, by_label[other]) for other in JOINT if other in by_label and other != label},
    )
    yield "confusion", np.mean([point["confusion"] for point in seeds.values()], axis=0).round(4).tolist()
    for name in ("fit_seconds", "milliseconds_a_text"):
        if all(name in point for point in seeds.values()):
            yield name, round(fmean(point[name] for point in seeds.values()), 3)


def _difference(one: dict[int, dict[str, Any]], other: dict[int, dict[str, Any]]) -> dict[str, Any] | None:
    common = sorted(one.keys() & other.keys())
    if not common:
        return None
    found = paired_bootstrap(_mean_outcomes(one, common), _mean_outcomes(other, common))
    return found.as_json() if found else None


def _mean_outcomes(points: dict[int, dict[str, Any]], seeds: list[int]) -> list[Any]:
    """Return for each task (n_j,) the share of ``seeds`` with which each text was answered rightly."""
    tasks = points[seeds[0]]["correct"]
    return [np.mean([[int(one) for one in points[seed]["correct"][task]] for seed in seeds], axis=0) for task in tasks]


if __name__ == "__main__":
    typer.run(main)
