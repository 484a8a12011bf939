"""Isolated adapters that begin as a composition of the earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.api import Workbench
from experiments.strategies import STRATEGIES, Context, State
from tests.streams import write_recipe
from workbench.adaptation import Adaptation
from workbench.backbone import Backbone
from workbench.contracts import Silent, Task
from workbench.errors import InputError
from workbench.methods import METHODS
from workbench.settings import Budget
from workbench.store import AdapterStore


def test_later_adapters_begin_as_the_average_of_the_earlier_ones(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("isolated")
    settings = METHODS.get("lora").settings(learning_rate=0.02, rank=4)
    adaptation, store = Adaptation(backbone, "lora", settings, "fp32"), AdapterStore(tmp_path / "adapters")
    context = Context(strategy.settings(init="fused"), adaptation, budget, 0, store, Silent(), "test")
    state = State(None, "start")
    for stage, each in enumerate((task, other_task), start=1):
        folder = tmp_path / str(stage)
        folder.mkdir()
        record = strategy.learn(state, each, context, folder)
        state = State(folder, str(stage))
    first, second = (store.verify(name).manifest for name in sorted(store.ids(), key=lambda n: n.startswith("halves")))
    assert first.composition is None
    assert second.composition is not None
    assert second.composition.method == "warm-start"
    assert second.parents == (first.id,)
    assert second.settings["rank"] == 4, "as large as an adapter that begins afresh"
    assert record.steps == second.fit.steps == first.fit.steps, "and as many steps"
    assert len(store.ids()) == 2
    folder = tmp_path / "again"
    folder.mkdir()
    assert strategy.learn(State(tmp_path / "1", "1"), other_task, context, folder) == record
    assert len(store.ids()) == 2, "the same lesson is not learned twice"


def test_only_loras_can_begin_as_a_composition(bert: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, bert)
    change = ["strategies.isolated={strategy: isolated, method: pfeiffer, init: fused}"]
    with pytest.raises(InputError, match="init: fused needs method lora, not pfeiffer"):
        Workbench(tmp_path / "space", [tmp_path / "tasks"]).plan(str(recipe), change)
