"""isolated: an adapter for each task on the same frozen backbone; adapters of earlier tasks never change."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from adapter_workbench.experiments.strategies import ADAPTERS, ADAPTERS_FILE
from adapter_workbench.experiments.strategies._stage_cost import StageCost
from adapter_workbench.experiments.workspace.damage import set_unusable_aside
from adapter_workbench.experiments.workspace.evaluating import evaluate_model
from adapter_workbench.experiments.workspace.routers import known_state, part_folders
from adapter_workbench.fusion.composing.fuse import FUSED, composition_id, fuse, keep_composition
from adapter_workbench.fusion.methods.warm_start import FRESH, REPTILE
from adapter_workbench.fusion.methods.warm_start import Settings as WarmStart
from adapter_workbench.fusion.ranking import RANKINGS, RankingRequest, best_first
from adapter_workbench.fusion.routing.route import require_routable
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.target.reader import KIND
from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.answering.evaluation import Evaluation, predict
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw, test_rows
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.registry import NameIn
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datasets import Dataset
    from numpy.typing import NDArray

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.fusion.routing.route import RoutingState
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

WARM_START, AVERAGE, RANKING = "warm-start", "average", "logme"
STARTS = {"fitted": FRESH, "meta": REPTILE}
EVALUATION_ONLY = "oracle"


class IsolatedSettings(Settings):
    """How the adapter of a task begins, and how it is found again where nobody names the task."""

    init: Literal["fresh", "fitted", "nearest", "fused", "meta"] = Field(
        "fresh",
        description="fused: begins as the average of the adapters learned before; nearest: as the one that LogME puts "
        "first for the task; meta: where Reptile's rule leads over those learned before; all under a fitted head. "
        "fitted: afresh, under such a head: their control. LoRA only",
    )
    router: Annotated[str | None, NameIn(ROUTERS)] = Field(
        None, description="chooses the adapter if the task is not known: prototype, …"
    )


class Isolated:
    """Its state is the list of adapter ids; the adapters themselves stand in the store.

    With ``method: full`` each task has its own copy of the whole model.
    """

    settings = IsolatedSettings
    disposable = ()
    stages: Literal["each", "last"] = "each"

    def objection(
        self, settings: IsolatedSettings, method: str, kinds: Sequence[str], scenario: Scenario
    ) -> str | None:
        """Only LoRAs can begin as a composition; a router is needed where nobody names the task, and only there."""
        if settings.init != "fresh" and method != "lora":
            return f"init: {settings.init} needs method lora, not {method}"
        if settings.init != "fresh" and (others := sorted(set(kinds) - set(FUSED))):
            return f"init: {settings.init} needs tasks of kind {' or '.join(FUSED)}, not {', '.join(others)}"
        if settings.init == "nearest" and (others := sorted(set(kinds) - {"classification"})):
            return f"init: nearest compares labels, and {', '.join(others)} has none"
        if not scenario.announces_tasks:
            return "has an adapter for each task, and needs to know where one begins"
        if scenario.knows_task:
            return "each task is named in this scenario: leave 'router' out" if settings.router else None
        return routing_objection(settings.router, method, kinds)

    def fits(self, settings: IsolatedSettings, examples: Sequence[int]) -> list[int]:
        """One, on the new task."""
        return [examples[-1]]

    def learn(self, state: State, context: Context, folder: Path) -> FitRecord:
        """Train an adapter for the stage's task, or take it from the store, and add its id to the list."""
        earlier, task = _adapters(state), context.task
        if context.settings.init != "fresh" and earlier:
            stored = _warm_start(context, tuple(self._all(state, context)))
        else:
            lesson = Lesson(task, context.adaptation, context.budget, context.seed)
            stored = context.workspace.trained_adapter(lesson, context.listener, context.label)
        adapters = {**earlier, task.name: stored.id}
        (folder / ADAPTERS_FILE).write_text(json.dumps(adapters, indent=2), encoding="utf-8")
        return stored.manifest.own_fit

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Open the task's own adapter."""
        return open_adapter(self._adapter_of(state, task, context), context.adaptation.backbone)

    def taught(self, task: Task, context: Context) -> Task:
        """Return the task as it is: its adapter knows of no other."""
        return task

    def tested(self, state: State, task: Task, context: Context, model: Callable[[], TaskModel]) -> Evaluation:
        """Let the task's own adapter answer, or, where nobody names the task, those that the router chooses."""
        if context.settings.router:
            return routed_test(context, self._all(state, context), task)
        return evaluate_model(model(), context.asked(task), context.adaptation.backbone, context.budget)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The adapter's own identity (its files, the backbone, the arithmetic); with a router, that of all of them."""
        identity = self._adapter_of(state, task, context).identity
        if not context.settings.router:
            return identity
        identities = state.once("identities", lambda: [adapter.identity for adapter in self._all(state, context)])
        return key([identity, ROUTERS.identity(context.settings.router), identities])

    def kept(self, state: State, context: Context) -> list[Path]:
        """The adapters' folders, and what the router knows of them."""
        stored = self._all(state, context)
        folders = [adapter.folder for adapter in stored]
        return folders + (known_folders(context, stored) if context.settings.router else [])

    def _all(self, state: State, context: Context) -> list[StoredAdapter]:
        """Return the adapters of all tasks learned so far, in their order."""
        return [context.workspace.adapters.verify(name) for name in _adapters(state).values()]

    def _adapter_of(self, state: State, task: Task, context: Context) -> StoredAdapter:
        return context.workspace.adapters.verify(_adapters(state)[task.name])


def _warm_start(context: Context, earlier: tuple[StoredAdapter, ...]) -> StoredAdapter:
    """Return a LoRA that began as ``init`` says and was trained like any other; the first task has nothing to begin as.

    That of ``fitted`` takes nothing from the adapter that its manifest names, the newest: its start is fresh.
    """
    adaptation, init = context.adaptation, context.settings.init
    target = draw(context.task, context.budget, context.seed)
    cost = StageCost()
    with cost.counted():
        sources = earlier if init in {"fused", "meta"} else earlier[-1:]
        sources = _nearest(context, earlier, target) if init == "nearest" else sources
    request = Request(
        sources=sources,
        target=target,
        backbone=adaptation.backbone,
        precision=adaptation.precision,
        budget=context.budget,
        seed=context.seed,
        listener=context.listener,
        label=context.label,
        scratch=context.scratch,
    )
    stated = adaptation.settings.model_dump(include={"rank", "learning_rate"})
    settings = WarmStart.model_validate({**stated, "start": STARTS.get(init, AVERAGE)})
    name = composition_id(WARM_START, request, settings)
    store = context.workspace.adapters
    with context.workspace.claim(name):
        set_unusable_aside(store, name, context.listener)
        if name in store:
            return store.verify(name)
        fused = fuse(WARM_START, request, settings)
        cost.add(fused.record)
        fused = replace(fused, record=cost.record_of(fused.record))
        return keep_composition(name, fused, WARM_START, request, settings, store)


def _nearest(context: Context, earlier: tuple[StoredAdapter, ...], target: Task) -> tuple[StoredAdapter, ...]:
    """Return the earlier adapter whose features tell most of the target's labels; the newest where none can be told."""
    request = RankingRequest(
        earlier[::-1], target, context.adaptation.backbone, context.adaptation.precision, context.budget.max_length
    )
    best = best_first(RANKINGS.get(RANKING).rank(request))[0]
    return tuple(adapter for adapter in earlier if adapter.id == best)


def _adapters(state: State) -> dict[str, str]:
    return state.document(ADAPTERS, ADAPTERS_FILE) if state.folder else {}


# Isolated adapters where nobody names the task: a router chooses one for each text, and that one answers.


def routing_objection(router: str | None, method: str, kinds: Sequence[str]) -> str | None:
    """Return why adapters of ``method`` cannot be found by ``router``, or None."""
    usable = [name for name in ROUTERS.names() if name != EVALUATION_ONLY]
    if router not in usable:
        reason = f"there is no router {router!r}" if router else "nobody names the task in this scenario"
        return f"{reason}: set 'router' to one of {', '.join(usable)}"
    library = METHODS.get(method).library
    if library not in ROUTERS.get(router).libraries:
        return f"router {router} does not know adapters of {library} ({method})"
    others = sorted(set(kinds) - {KIND})
    return f"a router finds adapters of kind {KIND}, not {', '.join(others)}" if others else None


def routed_test(context: Context, adapters: Sequence[StoredAdapter], task: Task) -> Evaluation:
    """Return what the adapters answer to the test split of ``task``, each text given to the one that the router picks.

    Raises:
        InputError: the adapters cannot be routed among.
    """
    began = time.perf_counter()
    asked, kind = context.asked(task), KINDS.get(task.kind)
    rows = test_rows(asked, context.budget)
    logits = _logits(_state(context, adapters), rows, context, len(asked.labels))
    outcomes = kind.outcomes(rows, logits)
    scores = kind.scores(outcomes, len(asked.labels))
    return Evaluation(outcomes, scores, kind.digest(logits), time.perf_counter() - began)


def known_folders(context: Context, adapters: Sequence[StoredAdapter]) -> list[Path]:
    """Return the folders that hold what the router knows of the adapters."""
    router, backbone = context.settings.router, context.adaptation.backbone
    folders = part_folders(context.workspace, router, ROUTERS.get(router).settings(), adapters, backbone)
    return [folder for folder in folders if folder.is_dir()]


def _state(context: Context, adapters: Sequence[StoredAdapter]) -> RoutingState:
    """Return the router that knows ``adapters``; the other tests of the stage get the same one."""
    router, backbone = context.settings.router, context.adaptation.backbone
    routing_key = (router, *(adapter.id for adapter in adapters))
    if routing_key in context.routing:
        return context.routing[routing_key]
    require_routable(router, adapters, backbone)
    by_name = {task.name: task for task in context.tasks}

    def task_of(adapter: StoredAdapter) -> Task:
        return draw(by_name[adapter.manifest.task.name], context.budget, context.seed)

    settings, workspace = ROUTERS.get(router).settings(), context.workspace
    state = known_state(workspace, router, settings, adapters, backbone, task_of, context.listener)
    context.routing[routing_key] = state
    return state


def _logits(state: RoutingState, rows: Dataset, context: Context, labels: int) -> NDArray[Any]:
    """Return logits over all labels known by now (rows, labels); −∞ where the chosen adapter has none."""
    chosen, backbone = adapters_for_texts(state, rows).adapters, state.reader.backbone
    together = labels == len(context.tasks[0].labels)  # all tasks have the same labels; else they stand side by side
    logits = np.full((len(rows), labels), -np.inf, dtype=np.float32)
    for column in np.unique(chosen):
        positions = np.flatnonzero(chosen == column)
        model = open_adapter(state.adapters[column], backbone)
        own_logits = predict(model, rows.select(positions), backbone.tokenizer, context.budget.max_length)
        start = 0 if together else starts(context.tasks)[column]
        logits[positions, start : start + own_logits.shape[1]] = own_logits
    return logits


STRATEGY = Isolated()
