"""Which learning rate does each contestant that trains need, when there are few examples?

    python -m experiments.benchmarks.few_shot_rates fuse-new-task --out FILE.json

Takes the sources and the budget of a comparison of compositions, and tasks that it does not ask about. Whoever trains
on the target's examples (fresh adapters, full fine-tuning, learned compositions) gets equally many learning rates, of
which the rule of :mod:`experiments.benchmarks.chosen_rates` takes one. The validation split is the budget's, not K
examples: here a learning rate is chosen for good, not an epoch in a few-shot problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any

import typer

from experiments.benchmarks import chosen_rates, program
from experiments.engine.recipes import find_recipe
from experiments.engine.run import run
from experiments.studies import STUDIES
from experiments.studies.compositions.contestant import Contestant
from experiments.studies.compositions.plan import FusionPlan, make_plan
from experiments.studies.compositions.record import FusionRecord
from experiments.studies.compositions.result import results_in
from experiments.terminal.progress import progress
from experiments.workspace import Workspace, find_workspace
from workbench.errors import UnknownNameError
from workbench.listener import Listener

RATES = {
    "full fine-tuning": (2e-5, 5e-5, 1e-4, 2e-4, 4e-4),
    "fresh lora": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "fresh pfeiffer": (1e-3, 2e-3, 5e-3, 1e-2, 2e-2),
    "warm-start": (5e-4, 1e-3, 2e-3, 5e-3, 1e-2),
    "mix": (2e-3, 5e-3, 1e-2, 2e-2, 5e-2),
    "adapterfusion": (1e-4, 2e-4, 5e-4, 1e-3, 2e-3),
}
LEARNED = ("warm-start", "mix", "adapterfusion")
TARGETS = "20news-2,20news-4,20news-6"


@dataclass(frozen=True)
class Part(FusionPlan):
    """A comparison of some contestants alone.

    Attributes:
        labels: theirs.
    """

    labels: frozenset[str] = frozenset()

    def contestants(self, seed: int) -> Iterator[Contestant]:
        """Yield those that take part."""
        return (one for one in super().contestants(seed) if one.label in self.labels)


@dataclass(frozen=True)
class Point:
    """One fit, and the validation score of its best epoch."""

    contestant: str
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
    contestants: Annotated[str, typer.Option(help="Whose rates are measured, with commas.")] = ",".join(RATES),
) -> None:
    """Measure, and print the mean validation scores and the choice that follows from them."""
    points: list[Point] = []
    labels = frozenset(contestants.split(","))
    if unknown := sorted(labels - RATES.keys()):
        raise UnknownNameError("contestant that trains", unknown[0], RATES, where="--contestants")
    with progress("rates") as listener:
        for rung in range(len(RATES["mix"])):
            plan = _plan(recipe, targets.split(","), shots, [int(seed) for seed in seeds.split(",")], rung)
            plan = Part(**{each.name: getattr(plan, each.name) for each in fields(plan)}, labels=labels)
            points += _measured(plan, find_workspace(workspace), listener, rung)
    budget, summary = plan.budgets[shots].model_dump(mode="json"), summarise(points)
    program.write(context, out, budget=budget, **summary, points=[asdict(point) for point in points])
    program.show(summary)


def summarise(points: list[Point]) -> dict[str, Any]:
    """Return the mean validation score by contestant and learning rate, and the rate that is chosen for each."""
    return chosen_rates.summarise(
        (point.contestant, point.learning_rate, (point.target, point.seed), point.validation) for point in points
    )


def _plan(recipe: str, targets: list[str], shots: int, seeds: list[int], rung: int) -> FusionPlan:
    """Return the recipe's plan for other targets, with the ``rung``-th learning rate for every contestant."""
    fresh = {label.removeprefix("fresh "): rates[rung] for label, rates in RATES.items() if label.startswith("fresh ")}
    fresh["full"] = RATES["full fine-tuning"][rung]
    composed = {label: rates[rung] for label, rates in RATES.items() if label in LEARNED}
    changes = {
        "targets": targets,
        "shots": [shots],
        "seeds": seeds,
        "fresh": {name: {"learning_rate": rate} for name, rate in fresh.items()},
        "compositions": {label: {"method": label, "learning_rate": rate} for label, rate in composed.items()},
    }
    document = find_recipe(recipe).set(f"{key}={json.dumps(value)}" for key, value in changes.items())
    plan = make_plan(document, ())
    budgets = {each: budget.model_copy(update={"validation_examples": None}) for each, budget in plan.budgets.items()}
    return replace(plan, budgets=budgets)


def _measured(plan: FusionPlan, workspace: Workspace, listener: Listener, rung: int) -> Iterator[Point]:
    record = run(STUDIES.get(plan.study), plan, workspace, listener)
    for cell in FusionRecord.read(plan.name, record, workspace).cells:
        if cell.label in RATES:
            fit = results_in(workspace).require(cell.key).fit
            rate = RATES[cell.label][rung]
            yield Point(cell.label, rate, cell.target, cell.seed, fit.validation, round(fit.seconds, 2))


if __name__ == "__main__":
    typer.run(main)
