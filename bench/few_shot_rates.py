"""Which learning rate does each entry that trains need, when there are few examples?

    python -m bench.few_shot_rates fuse-new-task --out FILE.json

Takes the sources and the budget of a comparison of compositions, and tasks that it does not ask about. Whoever trains
on the target's examples (fresh adapters, full fine-tuning, learned compositions) gets equally many learning rates, of
which the rule of :mod:`bench.chosen_rates` takes one. The validation split is the budget's, not K
examples: here a learning rate is chosen for good, not an epoch in a few-shot problem. ``--rates`` replaces the grid,
which is that of a small encoder, for example by ``{"fresh lora": [0.001, 0.002], "warm-start": [0.001, 0.002]}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from adapter_workbench.experiments.engine.recipes import find_recipe
from adapter_workbench.experiments.engine.run import run
from adapter_workbench.experiments.engine.workers import workers
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.compositions.entry import FULL, Entry
from adapter_workbench.experiments.studies.compositions.plan import make_plan
from adapter_workbench.experiments.studies.compositions.record import FusionRecord, results_in
from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
from adapter_workbench.experiments.terminal.progress import progress
from adapter_workbench.experiments.workspace import Workspace, find_workspace
from adapter_workbench.workbench.errors import InputError, UnknownNameError
from adapter_workbench.workbench.machine.listener import Listener
from bench import chosen_rates, program

RATES = {
    "full fine-tuning": (2e-5, 5e-5, 1e-4, 2e-4, 4e-4),
    "fresh lora": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "fresh pfeiffer": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "warm-start": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2),
    "mix": (2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    "adapterfusion": (1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
}
FRESH = "fresh "
TARGETS = "20news-2,20news-4,20news-6"


@dataclass(frozen=True)
class Part(FusionPlan):
    """A comparison of some entries alone.

    Attributes:
        labels: theirs.
    """

    labels: frozenset[str] = frozenset()

    def all_entries(self, seed: int) -> Iterator[Entry]:
        """Yield those that take part."""
        return (entry for entry in super().all_entries(seed) if entry.label in self.labels)


@dataclass(frozen=True)
class Point:
    """One fit, and the validation score of its best epoch."""

    entry: str
    learning_rate: float
    target: str
    seed: int
    validation: float
    seconds: float


def main(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help="Name or path of a comparison's recipe.")],
    out: program.Out,
    workspace: program.Workspace = None,
    targets: Annotated[str, typer.Option(help="Tasks, with commas; none of the recipe's.")] = TARGETS,
    shots: Annotated[int, typer.Option(help="K.")] = 64,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas; also those of the sources.")] = "0,1",
    entries: Annotated[str, typer.Option(help="Whose rates are measured, with commas; all if empty.")] = "",
    rates: Annotated[str, typer.Option(help="The grid as JSON: equally many rates for each entry.")] = "",
    validation: Annotated[int | None, typer.Option(help="Validation examples; the whole split if left out.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes side by side.")] = 1,
) -> None:
    """Measure, and print the mean validation scores and the choice that follows from them."""
    points: list[Point] = []
    every = grid(rates)
    labels = frozenset(entries.split(",") if entries else every)
    if unknown := sorted(labels - every.keys()):
        raise UnknownNameError("entry that trains", unknown[0], every, where="--entries")
    with progress("rates") as listener:
        for rung in zip(*every.values(), strict=True):
            tried = dict(zip(every, rung, strict=True))
            plan = plan_at(
                recipe, targets.split(","), shots, [int(seed) for seed in seeds.split(",")], tried, validation
            )
            plan = Part(**{field.name: getattr(plan, field.name) for field in fields(plan)}, labels=labels)
            points += _measured(plan, find_workspace(workspace), listener, tried, jobs)
    budget, summary = plan.budgets[shots].model_dump(mode="json"), summarise(points)
    program.write(context, out, budget=budget, **summary, points=[asdict(point) for point in points])
    program.show(summary)


def summarise(points: list[Point]) -> dict[str, Any]:
    """Return the mean validation score by entry and learning rate, and the rate that is chosen for each."""
    return chosen_rates.summarise(
        (point.entry, point.learning_rate, (point.target, point.seed), point.validation) for point in points
    )


def grid(rates: str) -> Mapping[str, Sequence[float]]:
    """Return entry → its learning rates; raises InputError where they are not equally many."""
    if not rates:
        return RATES
    try:
        given = TypeAdapter(dict[str, list[float]]).validate_json(rates)
    except ValidationError as error:
        raise InputError("the grid is no JSON object of lists of numbers", where="--rates") from error
    if len({len(own_rates) for own_rates in given.values()}) != 1:
        raise InputError("every entry gets equally many rates", where="--rates")
    return given


def plan_at(
    recipe: str,
    targets: list[str],
    shots: int,
    seeds: list[int],
    tried: Mapping[str, float],
    validation: int | None = None,
) -> FusionPlan:
    """Return the recipe's plan for other targets, with the rate that is tried for every entry."""
    document = find_recipe(recipe)
    fresh = {label.removeprefix(FRESH): rate for label, rate in tried.items() if label.startswith(FRESH)}
    composed = [label for label in tried if not label.startswith(FRESH) and label != FULL]
    given = _entries(recipe)
    changes = {
        "targets": targets,
        "shots": [shots],
        "seeds": seeds,
        "fresh": {name: {"learning_rate": rate} for name, rate in fresh.items()},
        "compositions": {label: _with_rate(given[label], tried[label]) for label in composed},
    }
    document = document.set(f"{key}={json.dumps(value)}" for key, value in changes.items())
    plan = make_plan(document, ())
    budgets = {
        shot_count: budget.model_copy(update={"validation_examples": validation})
        for shot_count, budget in plan.budgets.items()
    }
    return replace(plan, budgets=budgets)


@cache
def _entries(recipe: str) -> Mapping[str, Entry]:
    """Return the compositions that the recipe itself compares, by label."""
    return {entry.label: entry for entry in make_plan(find_recipe(recipe), ()).entries}


def _with_rate(entry: Entry, rate: float) -> dict[str, Any]:
    settings = entry.settings.model_dump(mode="json", exclude_unset=True)
    return {**settings, "method": entry.method, "learning_rate": rate}


def _measured(
    plan: FusionPlan, workspace: Workspace, listener: Listener, tried: Mapping[str, float], jobs: int
) -> Iterator[Point]:
    record = run(STUDIES.get(plan.study), plan, workspace, listener, workers=workers(jobs))
    for cell in FusionRecord.read(plan.name, record, workspace).cells:
        if cell.label in tried:
            fit = results_in(workspace).require(cell.key).fit
            rate = tried[cell.label]
            yield Point(cell.label, rate, cell.target, cell.seed, fit.validated, round(fit.seconds, 2))


if __name__ == "__main__":
    typer.run(main)
