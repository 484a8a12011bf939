"""Strategies stage by stage, without a recipe or a workspace: what a state holds after each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import Context, State, Strategy
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget

START = State(None, "start")
RATES = {"lora": 2e-2, "bitfit": 2e-2, "full": 3e-3, "hypernetwork": 3e-3, "prompt": 3e-2}


def adapted(method: str, backbone: Backbone, **settings: Any) -> Adaptation:
    """Return a method on the tiny backbone, with a learning rate that it learns with."""
    given = {"learning_rate": RATES[method], **settings}
    return Adaptation(backbone, method, METHODS.get(method).settings(**given), "fp32")


def context_for(
    adaptation: Adaptation,
    budget: Budget,
    tasks: Sequence[Task],
    folder: Path,
    settings: Any = None,
    scenario: str = "task-incremental",
) -> Context:
    """Return what a strategy may use after ``tasks``."""
    workspace, posed = Workspace(folder), SCENARIOS.get(scenario)
    return Context(settings, adaptation, budget, 0, workspace, Silent(), "test", posed, tuple(tasks))


def at(context: Context, stage: int) -> Context:
    """Return the same context at an earlier stage."""
    return replace(context, tasks=context.tasks[:stage])


def walk(strategy: Strategy, context: Context, folder: Path) -> list[State]:
    """Learn the context's tasks one after the other, and return the state after each (of ``last``: the one state)."""
    states, count = [START], len(context.tasks)
    for stage in range(1, count + 1) if strategy.stages == "each" else [count]:
        stage_folder = folder / str(stage)
        stage_folder.mkdir(parents=True)
        now = at(context, stage)
        strategy.learn(states[-1], now, stage_folder)
        states.append(State(stage_folder, f"state {stage}"))
    return states[1:]


def opened(strategy: SharedWeights, context: Context, state: State) -> Stage:
    """Return the last stage of ``context`` as it stands before the first step."""
    return Stage(state, context, strategy.begin(context, state, strategy._head(context, state)))
