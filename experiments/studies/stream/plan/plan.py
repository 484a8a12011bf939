"""A recipe, resolved: every name looked up, all settings typed, all data read, every stage with its key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.engine.draft import drafted
from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.experiments.engine.forecast import forecast_of
from adapter_workbench.experiments.engine.recipes import require_affordable
from adapter_workbench.experiments.reporting.added_seeds import tuning_seed
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Revised
from adapter_workbench.experiments.studies.core.against import uncompared
from adapter_workbench.experiments.studies.core.record import shared_facts
from adapter_workbench.experiments.studies.core.shared_texts import shared_texts
from adapter_workbench.experiments.studies.core.widening import OUTWARD, candidates
from adapter_workbench.experiments.studies.stream.plan.entries import (
    FORM,
    at_default_rates,
    at_other_rates,
    indistinct,
    misnamed,
    named_in_stream,
    tried_rates,
    untried,
    virtual_tokens,
)
from adapter_workbench.experiments.studies.stream.plan.entry import TUNED_ON, Tried
from adapter_workbench.experiments.studies.stream.plan.given import given_stages, is_given, ungiven, ways_of
from adapter_workbench.experiments.studies.stream.plan.harness import all_kinds, harness_columns, without_columns
from adapter_workbench.experiments.studies.stream.plan.measurable import (
    asked_of_probes,
    general_text,
    named_probes,
    require_measurable,
)
from adapter_workbench.experiments.studies.stream.plan.orders import (
    misordered,
    ordered,
    orders_of_a_seed,
    replications,
    stages_between_tests,
)
from adapter_workbench.experiments.studies.stream.plan.planned_stages import all_stages, stream_of
from adapter_workbench.experiments.studies.stream.plan.recipe import PER_SEED, Recipe
from adapter_workbench.experiments.workspace.evaluating import majority_score
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.overlap import overlapping
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import test_rows
from adapter_workbench.workbench.settings.registry import named_code
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.engine.piece import Forecast
    from adapter_workbench.experiments.studies.core.widening import Candidate
    from adapter_workbench.experiments.studies.stream.plan.entry import PlannedEntry
    from adapter_workbench.experiments.studies.stream.plan.given import Given
    from adapter_workbench.experiments.studies.stream.plan.planned_stages import PlannedStage, Stream
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.probes import ProbeRequest
    from adapter_workbench.workbench.settings.base import Document

FROZEN = "head"  # the method that leaves the body as it is
FORMAT = 2  # raised when the meaning of stored stages changes


@dataclass(frozen=True)
class Plan:
    """What ``workbench run`` will do."""

    study: ClassVar[str] = "stream"
    recipe: Recipe
    backbone: Backbone
    precision: Precision  # of the arithmetic, in every process that works on it, whatever ``auto`` means there
    tasks: tuple[Task, ...]  # in the recipe's order
    entries: tuple[PlannedEntry, ...]
    # the orders that they are learned in, the recipe's own first; or one for each seed
    orders: tuple[tuple[Task, ...], ...] = ()
    stages: tuple[PlannedStage, ...] = ()
    text: tuple[str, ...] = ()  # general text for probes, none of it of the stream's tasks
    # what the recipe asks of probes that have settings, by their names
    asked: Mapping[str, ProbeRequest] = field(default_factory=dict)
    given: Given = field(default_factory=dict)  # label, seed → the checkpoints of an entry that is not learned

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self.recipe.name

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        recipe, tasks = self.recipe, self.tasks
        return shared_facts(
            tasks,
            self.precision,
            **recipe.facts,
            tasks=recipe.tasks,
            test_sizes=[len(test_rows(task, recipe.budget)) for task in tasks],
            majority=[majority_score(task, recipe.budget) for task in tasks],
            orders=[[task.name for task in order] for order in self.orders],
            **({"order_per_seed": True} if self.order_per_seed else {}),
            scenario=recipe.scenario,
            overlap=recipe.overlap,
            contenders=[entry.written() for entry in self.entries],
            reference=recipe.reference,
            kinds={task.name: task.kind for task in tasks},
            **({"shared_texts": texts} if (texts := shared_texts(tasks, recipe.budget)) else {}),
            **({"checkpoints": self.checkpoints, "ways": ways_of(self.given)} if self.given else {}),
            **({"learned": recipe.learned} if recipe.examined else {}),
        )

    @property
    def order_per_seed(self) -> bool:
        """Whether each seed learns one order, which it draws."""
        return self.recipe.orders == PER_SEED

    @property
    def checkpoints(self) -> dict[str, list[str]]:
        """Label → the checkpoints of the first seed, from stage 0 on, empty where stage 0 is none of them."""
        seed, *_ = self.recipe.seeds
        named = {label: stages for (label, of), stages in self.given.items() if of == seed}
        return {
            label: [*[""] * stages[0].number, *(stage.checkpoint.name for stage in stages)]
            for label, stages in named.items()
        }

    @property
    def last(self) -> int:
        """The last stage."""
        if self.recipe.examined:
            return max(stages[-1].number for stages in self.given.values())
        return len(self.tasks)

    def previous(self, planned: PlannedStage) -> PlannedStage:
        """Return the stage that a stage starts from."""
        return self._streams[stream_of(planned)][planned.before or ""]

    def learned(self, planned: PlannedStage, task: Task) -> PlannedStage:
        """Return the stage of the same stream after which ``task`` could first be answered."""
        return self._learned[stream_of(planned), task.name]

    def forecast(self, planned: PlannedStage) -> Forecast:
        """Return what a plain training step takes.

        A strategy's own needs (a second model, a memory of old examples) are not counted. A checkpoint is asked, and
        takes what a step takes that trains nothing of the body.
        """
        entry = planned.entry
        if is_given(entry):
            frozen: Any = METHODS.get(FROZEN).settings
            entry = replace(entry, method=FROZEN, method_settings=frozen())
        return forecast_of(self.adaptation(entry), self.recipe.budget, planned.task)

    def updates(self, planned: PlannedStage) -> int:
        """Return how many optimiser steps a stage's training takes at most, all of its fits together."""
        budget, entry = self.recipe.budget, planned.entry
        if is_given(entry) or not METHODS.get(entry.method).trains:
            return 0
        examples = [budget.drawn(len(task.splits["train"])) for task in planned.tasks]
        return sum(map(budget.updates, STRATEGIES.get(entry.strategy).fits(entry.strategy_settings, examples)))

    def attempts(self, entry: PlannedEntry) -> list[Candidate]:
        """Return the learning rates that an entry tries, or may have to, each with what it learns then."""
        budget, seed = self.recipe.budget, tuning_seed(self.recipe.seeds)

        def lessons(rate: float) -> list[Lesson]:
            return [Lesson(task, self.adaptation(entry.at(rate)), budget, seed) for task in self.tasks[:TUNED_ON]]

        fixed = entry.frontier or is_given(entry)
        return [*candidates(() if fixed else tried_rates(self.recipe.tune, entry), lessons)]

    def adaptation(self, entry: PlannedEntry) -> Adaptation:
        """Return the entry's method on the recipe's backbone."""
        return Adaptation(self.backbone, entry.method, entry.method_settings, self.precision)

    @cached_property
    def _streams(self) -> dict[Stream, dict[str, PlannedStage]]:
        """The stages of each stream by their keys: a question about one cell of a matrix does not search all stages."""
        streams: dict[Stream, dict[str, PlannedStage]] = {}
        for planned in self.stages:
            streams.setdefault(stream_of(planned), {})[planned.key] = planned
        return streams

    @cached_property
    def _learned(self) -> dict[tuple[Stream, str], PlannedStage]:
        """The stage of each stream after which a task could first be answered."""
        first: dict[tuple[Stream, str], PlannedStage] = {}
        for planned in self.stages:
            for task in planned.learned:
                first.setdefault((stream_of(planned), task.name), planned)
        return first


def make_plan(document: Document, task_folders: Sequence[Path] = ()) -> Plan:
    """Resolve a recipe: read its data, fetch what is missing; train nothing.

    Raises:
        SettingsError: all that is wrong with the recipe, in one message.
        DataError: a task's data do not fit its file.
    """
    draft = drafted(document, Recipe, [FORM], task_folders)
    problems, specs = draft.problems, draft.tasks["tasks",]
    kinds = tuple(dict.fromkeys(spec.file.kind for spec in specs))
    own = tuple(named_in_stream(document, draft.entries[FORM.key], kinds, problems))
    problems += misnamed(document)
    text = _text(document, [spec.name for spec in specs], task_folders, problems)
    probing = named_probes(document, problems)
    recipe = draft.require()
    fitted, kinds = kinds, all_kinds(recipe, kinds)
    problems += without_columns(document, recipe)
    entries = (*own, *at_other_rates(recipe, own))
    problems += [*untried(document, recipe), *indistinct(document, entries), *ungiven(document, recipe, own)]
    problems += uncompared(draft, document.text("reference"))
    with collect_problems(problems):
        recipe = recipe.model_copy(update={"overlap": _overlap(document, recipe)})
    problems += misordered(document, recipe, [spec.name for spec in specs])
    with collect_problems(problems):
        tried = len(entries) + (recipe.tune + 2 * OUTWARD * (recipe.tune > 1)) * len(own)
        fits = len(recipe.seeds) * orders_of_a_seed(recipe) * tried * len(specs)
        require_affordable(fits, document.origin)
    if problems:
        raise SettingsError(problems)
    learned = [entry for entry in own if not is_given(entry)]
    virtual = virtual_tokens(document, learned, len(specs))
    wanted = [(entry.method, entry.method_settings, ("strategies", entry.label, "method")) for entry in learned]
    budgets = [(recipe.budget, ("budget",), fitted)]
    backbone = open_feasible(document.where, recipe.backbone, wanted, kinds, budgets, virtual)
    own = at_default_rates(document, backbone.config, own)
    entries = (*own, *at_other_rates(recipe, own))
    require_measurable(document, recipe, backbone, kinds)
    tasks = tuple(registry.load(spec) for spec in specs)
    columns = harness_columns(document, recipe, tasks)
    names = (*(spec.name for spec in specs), *(column.name for column in columns))
    recipe = recipe.model_copy(update={"tasks": names})
    tasks = (*tasks, *columns)
    if objection := SCENARIOS.get(recipe.scenario).objection(tasks):
        raise InputError(f"this stream is not {recipe.scenario}: {objection}", where=document.where("scenario"))
    if recipe.overlap is not None:
        tasks = overlapping(tasks, recipe.overlap)
    recipe = recipe.model_copy(update={"evaluate_every": stages_between_tests(recipe, tasks)})
    words = general_text(registry.load(text), recipe.probe_examples) if text else ()
    asked = asked_of_probes(document, probing)
    given = given_stages(document, recipe, own, backbone, tasks)
    precision = resolve_precision(recipe.budget.precision)
    orders = ordered(tasks, recipe)
    plan = Plan(recipe, backbone, precision, tasks, entries, orders, text=words, asked=asked, given=given)
    plan = replace(plan, entries=tuple(_tuned(plan)))
    starts = partial(_start_key, plan)
    repeated = replications(recipe.seeds, len(plan.orders), plan.order_per_seed)
    return replace(plan, stages=tuple(all_stages(repeated, plan.orders, plan.entries, starts, given)))


def _overlap(document: Document, recipe: Recipe) -> float | None:
    """Return the share of each task's training examples that other stages bring; None where they bring none."""
    usual = SCENARIOS.get(recipe.scenario).overlap
    if recipe.overlap is None or usual is not None:
        return usual if recipe.overlap is None else recipe.overlap
    blurs = " or ".join(name for name in SCENARIOS.names() if SCENARIOS.get(name).overlap is not None)
    message = f"tasks do not overlap in the scenario {recipe.scenario}"
    raise InputError(message, where=document.where("overlap"), hint=f"Leave 'overlap' out, or take scenario: {blurs}.")


def _tuned(plan: Plan) -> Iterator[PlannedEntry]:
    """Yield the entries with the keys of what each of them tries."""
    for entry in plan.entries:
        tried = (Tried(candidate.learning_rate, candidate.keys) for candidate in plan.attempts(entry))
        yield replace(entry, tried=tuple(tried))


def _text(
    document: Document, names: Sequence[str], folders: Sequence[Path], problems: list[Problem]
) -> TaskSpec | None:
    name = document.text("probe_text")
    if name is None:
        return None
    with collect_problems(problems, document.where("probe_text")):
        if name in names:
            raise InputError(f"'probe_text' is a task of the stream: {name!r}")
        return registry.find(name, folders)
    return None


def _start_key(plan: Plan, entry: PlannedEntry, seed: int) -> str:
    scenario, settings = plan.recipe.scenario, dict(entry.settings)
    if is_given(entry):
        settings.pop("stages")  # the weights determine the results, not where they are
    posed = {} if scenario == "task-incremental" else {"scenario": SCENARIOS.identity(scenario)}
    strategy = STRATEGIES.get(entry.strategy)
    code = named_code(strategy.settings, entry.settings)
    revision = strategy.revision(entry.strategy_settings) if isinstance(strategy, Revised) else 1
    return key(
        {
            "format": FORMAT,
            "strategy": STRATEGIES.identity(entry.strategy),
            "method": METHODS.identity(entry.method, entry.method_settings),
            "settings": settings,
            "backbone": plan.backbone.identity,
            "pooling": plan.backbone.pooling,
            "precision": plan.precision,
            "budget": plan.recipe.budget.model_dump(mode="json"),
            "seed": seed,
            "processes": processes.sharing(),
            "versions": versions(),
            **posed,
            **({"code": code} if code else {}),
            **({"revision": revision} if revision > 1 else {}),
        }
    )
