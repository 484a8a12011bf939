"""isolated: an adapter for each task on the same frozen backbone; nothing that was learned is touched again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from workbench.learning import Lesson, learn, open_adapter
from workbench.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.strategies import Context, State
    from workbench.contracts import FitRecord, Task
    from workbench.model import TaskModel
    from workbench.store import StoredAdapter

FILE = "adapters.json"


class Isolated:
    """Its state is the list of adapter ids; the adapters themselves stand in the store.

    With ``method: full`` each task has its own copy of the whole model.
    """

    settings = Settings
    disposable = ()

    def learn(self, state: State, task: Task, context: Context, folder: Path) -> FitRecord:
        """Train an adapter for ``task``, or take it from the store, and add its id to the list."""
        lesson = Lesson(task, context.adaptation, context.budget, context.seed)
        stored = learn(lesson, context.store, context.listener, context.label, context.scratch)
        adapters = {**_adapters(state), task.name: stored.id}
        (folder / FILE).write_text(json.dumps(adapters, indent=2), encoding="utf-8")
        return stored.manifest.fit

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Open the task's own adapter."""
        return open_adapter(self._stored(state, task, context), context.adaptation.backbone)

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The adapter's own identity: its files, the backbone below, the arithmetic."""
        return self._stored(state, task, context).identity

    def kept(self, state: State, context: Context) -> list[Path]:
        """The adapters' folders."""
        return [context.store.get(adapter).folder for adapter in _adapters(state).values()]

    def _stored(self, state: State, task: Task, context: Context) -> StoredAdapter:
        return context.store.verify(_adapters(state)[task.name])


def _adapters(state: State) -> dict[str, str]:
    if state.folder is None:
        return {}
    adapters: dict[str, str] = json.loads((state.folder / FILE).read_text(encoding="utf-8"))
    return adapters


STRATEGY = Isolated()
