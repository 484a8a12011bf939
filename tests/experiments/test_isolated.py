"""Isolated adapters that begin as a composition of the earlier ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, adapter_ids
from adapter_workbench.experiments.studies.stream.work import stage_runner
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.routers import known_state
from adapter_workbench.fusion.composing.fuse import from_scratch
from adapter_workbench.fusion.routing.route import RoutingState
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.manifest import Manifest
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.messages import naming
from tests.runs import stream_of
from tests.stages import adapted, at, context_for, walk
from tests.streams import write_recipe


def test_later_adapters_begin_as_the_average_of_the_earlier_ones(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("isolated")
    settings = METHODS.get("lora").settings(learning_rate=0.02, rank=4)
    adaptation, own = Adaptation(backbone, "lora", settings, "fp32"), strategy.settings(init="fused")
    context = context_for(adaptation, budget, (task, other_task), tmp_path, own)
    store, (start, _) = context.workspace.adapters, walk(strategy, context, tmp_path)
    first, second = (store.verify(name).manifest for name in sorted(store.ids(), key=lambda n: n.startswith("halves")))
    assert first.composition is None
    assert second.composition is not None
    assert second.composition.method == "warm-start"
    assert second.parents == (first.id,)
    assert second.settings["rank"] == 4, "as large as an adapter that begins afresh"
    assert second.fit.steps == first.fit.steps, "and as many steps"
    assert len(store.ids()) == 2
    folder = tmp_path / "again"
    folder.mkdir()
    assert strategy.learn(start, context, folder) == second.fit
    assert len(store.ids()) == 2, "the same lesson is not learned twice"


def test_a_task_can_begin_as_its_nearest_or_afresh_under_the_same_head(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("isolated")
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(learning_rate=0.02), "fp32")
    again, stored = replace(task, name="like-the-first"), Workspace(tmp_path).adapters.verify

    def last(init: str, *earlier: Task) -> Manifest:
        context = context_for(adaptation, budget, (*earlier, again), tmp_path, strategy.settings(init=init))
        state = walk(strategy, context, tmp_path / "-".join([init, *(old.name for old in earlier)]))[-1]
        return stored(adapter_ids(state.existing)[again.name]).manifest

    for earlier in ((task, other_task), (other_task, task)):
        (nearest,) = last("nearest", *earlier).parents
        assert stored(nearest).manifest.task.name == task.name, "it was taught these very texts"
    fitted = last("fitted", task, other_task)
    sources = (stored(fitted.parents[0]),)
    request = Request(sources, draw(again, budget, 0), backbone, "fp32", budget, 0, Silent(), "test")
    alone = from_scratch(request, "lora", adaptation.settings)
    assert fitted.fit.epochs == alone.record.epochs, "what a fresh one comes to under the same head"


def test_a_task_can_begin_where_reptile_leads_over_all_earlier_ones(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("isolated")
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(learning_rate=0.02), "fp32")
    tasks = (task, other_task, replace(task, name="third"))
    context = context_for(adaptation, budget, tasks, tmp_path, strategy.settings(init="meta"))
    state = walk(strategy, context, tmp_path / "walk")[-1]
    names = adapter_ids(state.existing)
    third = Workspace(tmp_path).adapters.verify(names["third"]).manifest
    assert third.parents == (names[task.name], names[other_task.name])
    assert third.composition is not None
    assert third.composition.settings["start"] == ["reptile"]
    assert third.composition.weights == (0.5, 0.5)


def test_only_loras_can_begin_as_a_composition(bert: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, bert)
    change = ["strategies.isolated={strategy: isolated, method: pfeiffer, init: fused}"]
    with pytest.raises(InputError, match=naming("init: fused", "lora, not pfeiffer")):
        Workbench(tmp_path / "space", [tmp_path / "tasks"]).plan(str(recipe), change)


@pytest.mark.parametrize("scenario", SCENARIOS.names())
def test_router_is_needed_where_nobody_names_the_task_and_only_there(scenario: str) -> None:
    strategy, posed = STRATEGIES.get("isolated"), SCENARIOS.get(scenario)
    for router in (None, "prototype"):
        objection = strategy.objection(strategy.settings(router=router), "lora", ["classification"], posed)
        fits = posed.announces_tasks and (router is None) == (scenario == "task-incremental")
        assert (objection is None) == fits, objection


def test_the_tests_of_a_stage_prepare_the_router_once(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, strategy = [], STRATEGIES.get("isolated")

    def watched(
        workspace: object, router: str, settings: object, adapters: list[StoredAdapter], *rest: object
    ) -> RoutingState:
        prepared.append([adapter.manifest.task.name for adapter in adapters])
        return known_state(workspace, router, settings, adapters, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("adapter_workbench.experiments.strategies.isolated.known_state", watched)
    own, tasks = strategy.settings(router="learned"), (task, other_task)
    context = context_for(adapted("lora", backbone), budget, tasks, tmp_path, own, "class-incremental")
    states = walk(strategy, context, tmp_path)
    for stage, state in enumerate(states, start=1):
        for learned in tasks[:stage]:
            strategy.tested(state, learned, at(context, stage), lambda: pytest.fail("a router chooses"))
    assert prepared == [[task.name], [task.name, other_task.name]]

    verified, store = [], context.workspace.adapters
    monkeypatch.setattr(store, "verify", lambda name: verified.append(name) or AdapterStore.verify(store, name))
    identities = {strategy.identity(states[-1], learned, context) for learned in tasks}
    assert len(identities) == len(tasks)
    assert len(verified) == 2 * len(tasks), "each task its own adapter, and all adapters once"


def test_rows_take_no_memory_once_their_task_is_tested(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []
    monkeypatch.setattr(stage_runner, "release_pages", lambda: times.append(1))
    report = stream_of(tmp_path, bert, {"alone": "{strategy: isolated, method: lora}"}, "seeds=[0]", "reference=alone")
    (strategy,) = report.strategies
    assert (strategy.cells["measured"], strategy.cells["verified"]) == (3, 2)
    assert len(times) == 5, "after each test, also of those at the end that look whether adapters are still the same"
