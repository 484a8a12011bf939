"""A recipe, resolved: every name looked up, all settings typed, all data read, every step with its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.recipe import Recipe
from experiments.record import Contender
from experiments.strategies import STRATEGIES
from tasks import registry
from tasks.stream import expand
from workbench import processes
from workbench.adaptation import Adaptation
from workbench.backbone import Backbone, open_backbone
from workbench.errors import InputError, Problem, SettingsError, collected, suggest
from workbench.learning import versions
from workbench.methods import METHODS, trained_method
from workbench.model import resolve_precision
from workbench.store import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tasks.spec import TaskSpec
    from workbench.contracts import Task
    from workbench.settings import Document

FORMAT = 1  # raised when the meaning of stored steps changes


@dataclass(frozen=True)
class Step:
    """Learn the task of one stage, with one strategy and seed.

    Attributes:
        key: SHA-256 over everything that determines the state after this step: strategy, method, settings, backbone,
            precision, budget, seed, versions, and the tasks of all stages up to this one.
        before: the key of the state that this step starts from.
    """

    contender: Contender
    seed: int
    stage: int
    task: Task
    key: str
    before: str

    @property
    def label(self) -> str:
        """What to call the step on a screen."""
        return f"{self.contender.label} · seed {self.seed} · stage {self.stage} · {self.task.name}"


@dataclass(frozen=True)
class Plan:
    """What ``workbench run`` will do."""

    recipe: Recipe
    backbone: Backbone
    tasks: tuple[Task, ...]
    contenders: tuple[Contender, ...]
    steps: tuple[Step, ...] = ()

    def previous(self, step: Step) -> Step:
        """Return the step that ``step`` starts from."""
        return next(one for one in self.steps if one.key == step.before)

    def updates(self, step: Step) -> int:
        """Return how many optimiser steps a step's training takes at most."""
        budget = self.recipe.budget
        return budget.updates(len(step.task.splits["train"]))

    def adaptation(self, contender: Contender) -> Adaptation:
        """Return the contender's method on the recipe's backbone."""
        model = METHODS.get(contender.method).settings
        settings = {name: value for name, value in contender.settings.items() if name in model.model_fields}
        precision = resolve_precision(self.recipe.budget.precision)
        return Adaptation(self.backbone, contender.method, model.model_validate(settings), precision)


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> Plan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        DataError: a task's data do not fit its file.
    """
    recipe = document.parse(Recipe)
    problems: list[Problem] = []
    contenders = tuple(_contenders(document, recipe, problems))
    specs = list(_specs(document, recipe, task_folders, problems))
    names = [spec.name for spec in specs]
    problems += [
        Problem(f"task {name!r} comes more than once, by its family", document.where("tasks"))
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if recipe.reference not in recipe.strategies:
        what = f"'reference' names no entry of 'strategies': {recipe.reference!r}"
        problems.append(Problem(what, document.where("reference"), suggest(recipe.reference, recipe.strategies)))
    if problems:
        raise SettingsError(problems)
    backbone = open_backbone(recipe.backbone, document.where("backbone"))
    recipe = recipe.model_copy(update={"tasks": tuple(names)})
    backbone.require_length(recipe.budget.max_length, document.where("budget", "max_length"))
    resolved = Plan(recipe, backbone, tuple(registry.load(spec) for spec in specs), contenders)
    return Plan(recipe, backbone, resolved.tasks, contenders, tuple(_steps(resolved)))


def _specs(document: Document, recipe: Recipe, folders: Sequence[Path], problems: list[Problem]) -> Iterator[TaskSpec]:
    for index, name in enumerate(recipe.tasks):
        with collected(problems, document.where("tasks", index)):
            yield from [registry.find(member, folders) for member in expand([name], folders)]


def _contenders(document: Document, recipe: Recipe, problems: list[Problem]) -> Iterator[Contender]:
    for label, entry in recipe.strategies.items():
        with collected(problems):
            yield _contender(document, label, entry)


def _contender(document: Document, label: str, entry: dict[str, Any]) -> Contender:
    place = ("strategies", label)
    missing = [name for name in ("strategy", "method") if name not in entry]
    if missing:
        raise InputError(f"{'.'.join(place)!r} needs {' and '.join(missing)}", where=document.where(*place))
    strategy = STRATEGIES.get(entry["strategy"], document.where(*place, "strategy"))
    method = trained_method(entry["method"], document.where(*place, "method"))
    rest = {name: value for name, value in entry.items() if name not in {"strategy", "method"}}
    own = {name: rest.pop(name) for name in strategy.settings.model_fields if name in rest}
    parts = document.parse_parts((place, own, strategy.settings), (place, rest, method.settings))
    objection = strategy.objection(parts[0], entry["method"])
    if objection:
        raise InputError(objection, where=document.where(*place))
    settings = {name: value for part in parts for name, value in part.model_dump(mode="json").items()}
    return Contender(label, entry["strategy"], entry["method"], settings)


def _steps(plan: Plan) -> Iterator[Step]:
    """Yield all steps, seed by seed, so that the first complete comparison is there early."""
    for seed in plan.recipe.seeds:
        for contender in plan.contenders:
            before = _start_key(plan, contender, seed)
            for stage, task in enumerate(plan.tasks, start=1):
                after = key([before, task.name, task.fingerprint])
                yield Step(contender, seed, stage, task, after, before)
                before = after


def _start_key(plan: Plan, contender: Contender, seed: int) -> str:
    return key(
        {
            "format": FORMAT,
            "strategy": contender.strategy,
            "method": contender.method,
            "settings": contender.settings,
            "backbone": plan.backbone.fingerprint,
            "pooling": plan.backbone.pooling,
            "precision": resolve_precision(plan.recipe.budget.precision),
            "budget": plan.recipe.budget.model_dump(mode="json"),
            "seed": seed,
            "processes": processes.count(),
            "versions": versions(),
        }
    )
