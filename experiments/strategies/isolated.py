"""isolated: an adapter for each task on the same frozen backbone; nothing that was learned is touched again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from fusion.composition import Request
from fusion.fuse import fuse, fused_id, keep_fused
from fusion.methods.warm_start import Settings as WarmStart
from workbench.learning import Lesson, learn, open_adapter
from workbench.sampling import draw
from workbench.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.scenarios import Scenario
    from experiments.strategies import Context, State
    from workbench.contracts import FitRecord, Task
    from workbench.model import TaskModel
    from workbench.store import StoredAdapter

FILE = "adapters.json"
WARM_START = "warm-start"


class IsolatedSettings(Settings):
    """How the adapter of a task begins."""

    init: Literal["fresh", "fused"] = Field(
        "fresh", description="fused: as the average of the adapters learned before, from which it trains on (LoRA only)"
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
        """Somebody has to name the task whose adapter answers; only LoRAs can begin as a composition."""
        if not scenario.knows_task:
            return "each task's own adapter answers, which takes a scenario that names the task (task-incremental)"
        return f"init: fused needs method lora, not {method}" if settings.init == "fused" and method != "lora" else None

    def learn(self, state: State, task: Task, context: Context, folder: Path) -> FitRecord:
        """Train an adapter for ``task``, or take it from the store, and add its id to the list."""
        earlier = _adapters(state)
        if context.settings.init == "fused" and earlier:
            stored = _warm_started(task, context, tuple(context.store.verify(name) for name in earlier.values()))
        else:
            lesson = Lesson(task, context.adaptation, context.budget, context.seed)
            stored = learn(lesson, context.store, context.listener, context.label, context.scratch)
        adapters = {**earlier, task.name: stored.id}
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


def _warm_started(task: Task, context: Context, sources: tuple[StoredAdapter, ...]) -> StoredAdapter:
    """Return a LoRA that began as the average of ``sources`` and was trained like any other."""
    adaptation = context.adaptation
    request = Request(
        sources=sources,
        target=draw(task, context.budget, context.seed),
        backbone=adaptation.backbone,
        precision=adaptation.precision,
        budget=context.budget,
        seed=context.seed,
        listener=context.listener,
        label=context.label,
        scratch=context.scratch,
    )
    wanted = adaptation.settings.model_dump(include={"rank", "learning_rate"})
    settings = WarmStart.model_validate(wanted)
    name = fused_id(WARM_START, request, settings)
    if name in context.store.ids():
        return context.store.verify(name)
    fused = fuse(WARM_START, request, settings)
    return keep_fused(name, fused, WARM_START, request, settings, context.store)


def _adapters(state: State) -> dict[str, str]:
    if state.folder is None:
        return {}
    adapters: dict[str, str] = json.loads((state.folder / FILE).read_text(encoding="utf-8"))
    return adapters


STRATEGY = Isolated()
