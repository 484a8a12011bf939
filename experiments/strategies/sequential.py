"""sequential: one set of weights learns task after task; each task has a head of its own, kept as it was."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from workbench.adaptation import save_head
from workbench.sampling import draw
from workbench.settings import Settings
from workbench.training import fit

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.strategies import Context, State
    from workbench.contracts import FitRecord, Task
    from workbench.model import TaskModel


class Sequential:
    """Its state is the shared weights (``body``) and the heads of all tasks so far (``heads``)."""

    settings = Settings
    disposable = ("body",)

    def objection(self, settings: Settings, method: str) -> str | None:
        """Any method will do."""
        return None

    def learn(self, state: State, task: Task, context: Context, folder: Path) -> FitRecord:
        """Go on training the shared weights, with a fresh head for ``task``."""
        adaptation, labels = context.adaptation, len(task.labels)
        if state.folder is None:
            model = adaptation.fresh(task.kind, labels, context.seed)
        else:
            head = adaptation.fresh_head(task.kind, labels, context.seed)
            model = adaptation.load(state.folder / "body", head, task.kind)
        drawn = draw(task, context.budget, context.seed)
        listener, label = context.listener, context.label
        record = fit(model, drawn, adaptation, context.budget, context.seed, listener, label, context.scratch)
        (folder / "body").mkdir()
        adaptation.library.save(model.body, folder / "body")
        if state.folder is None:
            (folder / "heads").mkdir()
        else:
            shutil.copytree(state.folder / "heads", folder / "heads")
        save_head(model.head, _head(folder, task))
        return record

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the shared weights as they are now."""
        folder = _existing(state)
        head = context.adaptation.stored_head(_head(folder, task), task.kind, len(task.labels))
        return context.adaptation.load(folder / "body", head, task.kind)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The state itself: every stage changes the shared weights."""
        return f"{state.key} {task.name}"

    def kept(self, state: State, context: Context) -> list[Path]:
        """The state's folder."""
        return [_existing(state)]


def _head(folder: Path, task: Task) -> Path:
    return folder / "heads" / f"{task.name}.safetensors"


def _existing(state: State) -> Path:
    if state.folder is None:
        raise ValueError("nothing has been learned yet")
    return state.folder


STRATEGY = Sequential()
