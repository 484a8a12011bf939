"""The heads of a stream's tasks: under which name each is stored, and how a new one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.methods.adaptation import save_head
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import nn

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.workbench.methods.task import Task

SHARED = "all"
FOLDER = "heads"


def head_name(context: Context, task: Task) -> str:
    """Return the name that a task's head is stored under."""
    return SHARED if context.scenario.shares_head else task.name


def head_for(context: Context, state: State, task: Task) -> nn.Module:
    """Return a posed task's head: as it was stored, with new rows for new labels; or a fresh one.

    Each task's own head is drawn by itself. Equal ones would ask the same direction of the features for every task's
    labels, and a new task would turn around the answers of earlier ones.
    """
    name = head_name(context, task)
    seed = context.seed if context.scenario.shares_head else int(key([context.seed, name])[:8], 16)
    head = context.adaptation.fresh_head(task.kind, len(task.labels), seed)
    path = _file(state.folder, name) if state.folder else None
    if path and path.is_file():
        with torch.no_grad():
            for name, stored in load_file(path).items():
                head.get_parameter(name)[: len(stored)] = stored
    return head


def stored_head(state: State, task: Task, context: Context) -> nn.Module:
    """Return the head that a task learned so far is answered with."""
    path, labels = head_file(state, task, context), len(context.asked(task).labels)
    return context.adaptation.stored_head(path, task.kind, labels)


def head_file(state: State, task: Task, context: Context) -> Path:
    """Return where that head is stored; nothing is there where it is the backbone's own."""
    return _file(state.existing, head_name(context, task))


def save_heads(heads: Mapping[str, nn.Module], folder: Path) -> None:
    """Write heads by their names into a state's ``folder``, in the place of those that stand there."""
    for name, head in heads.items():
        save_head(head, _file(folder, name))


def head_identity(context: Context, head: Path, *of_task: Any) -> str:
    """Return the key of all that determines answers: the adapted backbone, a stored head, and ``of_task``, its own."""
    adaptation = context.adaptation
    read = [adaptation.backbone.identity, adaptation.settings.model_dump(mode="json"), adaptation.precision]
    method = METHODS.identity(adaptation.method, adaptation.settings)
    return key([method, *of_task, *read, digest(head) if head.is_file() else None])


def _file(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.safetensors"
