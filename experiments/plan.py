"""A recipe, resolved: every name looked up, all settings typed, all data read, every step with its key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.feasible import require_feasible
from experiments.probing import general_text, require_measurable
from experiments.recipe import Recipe
from experiments.record import Contender
from experiments.scenarios import SCENARIOS
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

    from experiments.scenarios import Scenario
    from tasks.spec import TaskSpec
    from workbench.contracts import Task
    from workbench.settings import Document, MethodSettings, Settings, SettingsT

FORMAT = 2  # raised when the meaning of stored steps changes


@dataclass(frozen=True)
class Step:
    """Learn the task of one stage, with one strategy, seed and order.

    Attributes:
        order: which order of the stream, 0 the recipe's own.
        tasks: those of all stages up to this one, in that order.
        key: SHA-256 over everything that determines the state after this step: strategy, method, settings, backbone,
            precision, scenario, budget, seed, versions, and ``tasks``.
        before: the key of the state that this step starts from; None where it starts from the pretrained weights.
    """

    contender: Contender
    seed: int
    order: int
    tasks: tuple[Task, ...]
    key: str
    before: str | None

    @property
    def stage(self) -> int:
        """How many tasks have been learned after it."""
        return len(self.tasks)

    @property
    def task(self) -> Task:
        """The task of its stage."""
        return self.tasks[-1]

    @property
    def label(self) -> str:
        """What to call the step on a screen."""
        order = f" · order {self.order}" if self.order else ""
        return f"{self.contender.label} · seed {self.seed}{order} · stage {self.stage} · {self.task.name}"


@dataclass(frozen=True)
class Plan:
    """What ``workbench run`` will do.

    Attributes:
        tasks: in the recipe's order.
        orders: the orders that they are learned in, the recipe's own first.
        text: general text for probes, none of it of the stream's tasks.
    """

    recipe: Recipe
    backbone: Backbone
    tasks: tuple[Task, ...]
    contenders: tuple[Contender, ...]
    orders: tuple[tuple[Task, ...], ...] = ()
    steps: tuple[Step, ...] = ()
    text: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    def previous(self, step: Step) -> Step:
        """Return the step that ``step`` starts from."""
        return next(one for one in self.steps if one.key == step.before)

    def learned(self, step: Step, task: Task) -> Step:
        """Return the step of the same stream after which ``task`` could first be answered."""
        own = [one for one in self.steps if (one.contender, one.seed, one.order) == self._stream(step)]
        return next(one for one in own if task in one.tasks)

    def updates(self, step: Step) -> int:
        """Return how many optimiser steps a step's training takes at most, all of its fits together."""
        budget, contender = self.recipe.budget, step.contender
        examples = [budget.drawn(len(task.splits["train"])) for task in step.tasks]
        return sum(map(budget.updates, STRATEGIES.get(contender.strategy).fits(strategy_settings(contender), examples)))

    def adaptation(self, contender: Contender) -> Adaptation:
        """Return the contender's method on the recipe's backbone."""
        precision = resolve_precision(self.recipe.budget.precision)
        return Adaptation(self.backbone, contender.method, _method_settings(contender), precision)

    def _stream(self, step: Step) -> tuple[Contender, int, int]:
        return step.contender, step.seed, step.order


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> Plan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        DataError: a task's data do not fit its file.
    """
    recipe = document.parse(Recipe)
    problems: list[Problem] = []
    specs = list(_specs(document, recipe, task_folders, problems))
    kinds = tuple(dict.fromkeys(spec.file.kind for spec in specs))
    entries = tuple(_contenders(document, recipe, kinds, problems))
    contenders = (*entries, *_frontier(document, recipe, entries, problems))
    names = [spec.name for spec in specs]
    problems += [
        Problem(f"task {name!r} comes more than once, by its family", document.where("tasks"))
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if recipe.reference not in recipe.strategies:
        what = f"'reference' names no entry of 'strategies': {recipe.reference!r}"
        problems.append(Problem(what, document.where("reference"), suggest(recipe.reference, recipe.strategies)))
    text = _text(document, recipe, names, task_folders, problems)
    if problems:
        raise SettingsError(problems)
    wanted = [(one.method, _method_settings(one), ("strategies", one.label, "method")) for one in contenders]
    require_feasible(document, recipe.backbone, recipe.budget.quantization, wanted, kinds)
    backbone = open_backbone(recipe.backbone, document.where("backbone"))
    backbone = backbone.quantized(recipe.budget.quantization, document.where("budget", "quantization"))
    recipe = recipe.model_copy(update={"tasks": tuple(names)})
    virtual = max(settings.virtual_tokens for _, settings, _ in wanted)
    backbone.require_length(recipe.budget.max_length, document.where("budget", "max_length"), virtual)
    require_measurable(document, recipe, backbone, kinds)
    tasks = tuple(registry.load(spec) for spec in specs)
    if objection := SCENARIOS.get(recipe.scenario).objection(tasks):
        raise InputError(f"this stream is not {recipe.scenario}: {objection}", where=document.where("scenario"))
    words = general_text(registry.load(text), recipe.probe_examples) if text else ()
    resolved = Plan(recipe, backbone, tasks, contenders, _orders(tasks, recipe.orders), text=words)
    return replace(resolved, steps=tuple(_steps(resolved)))


def strategy_settings(contender: Contender) -> Settings:
    """Return the settings of a contender's strategy, without those of its method."""
    return _read_as(STRATEGIES.get(contender.strategy).settings, contender)


def _method_settings(contender: Contender) -> MethodSettings:
    return _read_as(METHODS.get(contender.method).settings, contender)


def _read_as(model: type[SettingsT], contender: Contender) -> SettingsT:
    return model.model_validate({name: each for name, each in contender.settings.items() if name in model.model_fields})


def _specs(document: Document, recipe: Recipe, folders: Sequence[Path], problems: list[Problem]) -> Iterator[TaskSpec]:
    for index, name in enumerate(recipe.tasks):
        with collected(problems, document.where("tasks", index)):
            yield from [registry.find(member, folders) for member in expand([name], folders)]


def _text(
    document: Document, recipe: Recipe, names: Sequence[str], folders: Sequence[Path], problems: list[Problem]
) -> TaskSpec | None:
    if recipe.probe_text is None:
        return None
    with collected(problems, document.where("probe_text")):
        if recipe.probe_text in names:
            raise InputError(f"'probe_text' is a task of the stream: {recipe.probe_text!r}")
        return registry.find(recipe.probe_text, folders)
    return None


def _contenders(
    document: Document, recipe: Recipe, kinds: Sequence[str], problems: list[Problem]
) -> Iterator[Contender]:
    with collected(problems):
        scenario = SCENARIOS.get(recipe.scenario, document.where("scenario"))
        for label, entry in recipe.strategies.items():
            with collected(problems):
                yield _contender(document, label, entry, kinds, scenario)


def _contender(
    document: Document, label: str, entry: dict[str, Any], kinds: Sequence[str], scenario: Scenario
) -> Contender:
    place = ("strategies", label)
    missing = [name for name in ("strategy", "method") if name not in entry]
    if missing:
        raise InputError(f"{'.'.join(place)!r} needs {' and '.join(missing)}", where=document.where(*place))
    strategy = STRATEGIES.get(entry["strategy"], document.where(*place, "strategy"))
    method = trained_method(entry["method"], document.where(*place, "method"))
    rest = {name: value for name, value in entry.items() if name not in {"strategy", "method"}}
    own = {name: rest.pop(name) for name in strategy.settings.model_fields if name in rest}
    parts = document.parse_parts((place, own, strategy.settings), (place, rest, method.settings))
    objection = strategy.objection(parts[0], entry["method"], kinds, scenario)
    if objection:
        raise InputError(f"{entry['strategy']}: {objection}", where=document.where(*place))
    settings = {name: value for part in parts for name, value in part.model_dump(mode="json").items()}
    return Contender(label, entry["strategy"], entry["method"], settings)


def _frontier(
    document: Document, recipe: Recipe, entries: Sequence[Contender], problems: list[Problem]
) -> Iterator[Contender]:
    known = {entry.label: entry for entry in entries}
    for label, rates in recipe.frontier.items():
        if label not in recipe.strategies:
            what = f"'frontier' names no entry of 'strategies': {label!r}"
            problems.append(Problem(what, document.where("frontier", label), suggest(label, recipe.strategies)))
        entry = known.get(label)
        for rate in rates if entry else ():
            if entry and rate != entry.settings["learning_rate"]:
                changed = {**entry.settings, "learning_rate": rate}
                yield replace(entry, label=f"{label} @ {rate:g}", settings=changed, frontier=label)


def _orders(tasks: tuple[Task, ...], count: int) -> tuple[tuple[Task, ...], ...]:
    """Return the order given and ``count`` − 1 seeded permutations; a short stream has fewer different ones."""
    found = {tuple(range(len(tasks))): tasks}
    for seed in range(1, 100 * count):
        if len(found) == count:
            break
        places = tuple(np.random.default_rng(seed).permutation(len(tasks)).tolist())
        found.setdefault(places, tuple(tasks[place] for place in places))
    return tuple(found.values())


def _steps(plan: Plan) -> Iterator[Step]:
    """Yield all steps, replication by replication, so that the first complete comparison is there early."""
    for seed in plan.recipe.seeds:
        for order, tasks in enumerate(plan.orders):
            for contender in plan.contenders:
                before, start = _start_key(plan, contender, seed), True
                for stage, task in enumerate(tasks, start=1):
                    after = key([before, task.name, task.fingerprint])
                    if stage == len(tasks) or STRATEGIES.get(contender.strategy).stages == "each":
                        yield Step(contender, seed, order, tasks[:stage], after, None if start else before)
                        start = False
                    before = after


def _start_key(plan: Plan, contender: Contender, seed: int) -> str:
    posed = {} if plan.recipe.scenario == "task-incremental" else {"scenario": plan.recipe.scenario}
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
            **posed,
        }
    )
