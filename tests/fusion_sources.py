"""Small adapters to compose, trained in an instant, and requests for compositions of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FRUITS, SUBJECTS, make_task

BUDGET = Budget(epochs=2, batch_size=8, max_length=16, precision="fp32")
TASKS = [
    make_task("first-source", SUBJECTS[:4], FRUITS[:4]),
    make_task("second-source", SUBJECTS[4:], FRUITS[4:]),
    make_task("third-source", [*SUBJECTS[:4], *FRUITS[:4]], [*SUBJECTS[4:], *FRUITS[4:]]),
]


def train_sources(
    backbone: Backbone, root: Path, method: str, count: int = 3, **settings: Any
) -> tuple[StoredAdapter, ...]:
    """Train one adapter of ``method`` on each of three little tasks, or on the first ``count`` of them."""
    chosen = METHODS.get(method).settings(**{"learning_rate": 2e-2, **settings})
    adaptation, store = Adaptation(backbone, method, chosen, "fp32"), AdapterStore(root)
    return tuple(learn(Lesson(task, adaptation, BUDGET, 0), store, Silent(), "source") for task in TASKS[:count])


def other_source(source: StoredAdapter, method: str = "lora", kind: str = "classification") -> StoredAdapter:
    """Return a source whose manifest says that it is of another method, or answers another kind of task."""
    task = source.manifest.task.model_copy(update={"kind": kind})
    return replace(source, manifest=source.manifest.model_copy(update={"method": method, "task": task}))


def request_for(
    sources: tuple[StoredAdapter, ...], target: Task | None, backbone: Backbone, budget: Budget = BUDGET, seed: int = 0
) -> Request:
    """Return a request in fp32 that nobody listens to, for sources of the three little tasks."""
    known = {task.name: task for task in TASKS}
    return Request(sources, target, backbone, "fp32", budget, seed, Silent(), "test", source_tasks=known)


def hidden(body: torch.nn.Module) -> torch.Tensor:
    """Return the states (4, 9, h) that ``body`` makes of a fixed batch, on the processor."""
    body.eval()
    with torch.no_grad():
        states: torch.Tensor = body(**to_device_of(body, fixed_batch())).last_hidden_state
    return states.cpu()


def logits(model: TaskModel) -> torch.Tensor:
    """Return the logits (4, labels) of a fixed batch, on the processor."""
    model.eval()
    with torch.no_grad():
        output: torch.Tensor = model(**to_device_of(model, fixed_batch()))["logits"]
    return output.cpu()


def fixed_batch() -> dict[str, torch.Tensor]:
    """Return four rows of nine tokens."""
    ids = torch.arange(36).reshape(4, 9) % 20 + 5
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
