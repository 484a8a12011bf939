"""What the probes' tests share: a context around a model, with what a stage would hand over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import ProbeContext
from adapter_workbench.workbench.probes.lm_eval import HarnessSettings
from tests.harness_tasks import write_choices


@pytest.fixture(scope="session")
def choices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task file for the harness, with its rows beside it."""
    return write_choices(tmp_path_factory.mktemp("harness"))


@pytest.fixture
def context_of(choices: Path) -> Callable[..., ProbeContext]:
    def make(model: TaskModel, task: Task, backbone: Backbone, **changes: Any) -> ProbeContext:
        context = ProbeContext(
            task=task,
            backbone=backbone,
            max_length=16,
            model=model,
            learned=None,
            outcomes=pd.DataFrame(),
            outcomes_learned=None,
            text=("the cat very often a dog", "apple pear some quite lemon"),
            seed=0,
            settings={"lm-eval": HarnessSettings(tasks=(str(choices),))},
        )
        return replace(context, **changes)

    return make


@pytest.fixture
def outcomes_of() -> Callable[..., pd.DataFrame]:
    def make(model: TaskModel, task: Task, backbone: Backbone) -> pd.DataFrame:
        return evaluate(model, task.splits["test"], len(task.labels), backbone.tokenizer, 16).outcomes

    return make
