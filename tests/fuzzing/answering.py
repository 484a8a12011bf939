"""Workspaces of adapters that nobody trained, and servers over them: answers that differ, made in no time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conftest import toy
from tests.elsewhere.senders import drawn

if TYPE_CHECKING:
    from adapter_workbench.experiments.answers.http_server.service import Service
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.backbone.pretrained import Backbone

LONG = 30  # tokens of a generated answer


def keep_drawn(store: Any, backbone: Backbone, name: str, kind: str, seed: int) -> Path:
    """Put a LoRA with drawn weights into a store, under an id that its seed gives, and return its folder."""
    from dataclasses import replace

    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.methods import METHODS
    from adapter_workbench.workbench.methods.stored_model import describe, keep
    from adapter_workbench.workbench.settings.base import Budget

    made = toy(kind, 12)
    splits = dict(made.splits)
    if kind == "causal-lm":
        splits = {split: rows.map(lambda _: {"max_new_tokens": LONG}) for split, rows in splits.items()}
    task = replace(made, name=name, fingerprint=f"fingerprint of {name}", splits=splits)
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    about = describe(
        f"{name}-{seed:08x}", task, adaptation, Budget(max_length=32), seed, FitRecord((), 0, 0.5, 0, 0.0, None, 1)
    )
    model = adaptation.fresh(task.kind, len(task.labels), seed=seed)
    drawn(model.body, seed=seed)
    return Path(keep(model, adaptation, about, store).folder)


def service_of(workspace: Workspace, names: list[str]) -> Service:
    """Return what answers with adapters of a workspace."""
    from adapter_workbench.experiments.answers.http_server.metrics import Metrics
    from adapter_workbench.experiments.answers.http_server.selection import select
    from adapter_workbench.experiments.answers.http_server.service import Service
    from adapter_workbench.workbench.machine.batch_queue import Batching
    from adapter_workbench.workbench.machine.listener import Silent

    def selected(served: Backbone | None = None) -> Any:
        return select(workspace, names, None, (), Silent(), served)

    first = selected()
    return Service(first, partial(selected, first.backbone), None, Batching(), Metrics())
