"""Teaching one task: an isolated adapter in the store, and the way back from the store to a model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from workbench import card, processes
from workbench.adaptation import HEAD_FILE, Adaptation, save_head
from workbench.errors import InputError, IntegrityError, opening
from workbench.kinds import KINDS
from workbench.methods import METHODS
from workbench.model import resolve_precision
from workbench.sampling import draw
from workbench.store import BackboneReference, Manifest, StoredAdapter, TaskReference, key
from workbench.training import fit

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from workbench.backbone import Backbone
    from workbench.contracts import FitRecord, Listener, Task
    from workbench.model import TaskModel
    from workbench.settings import Budget
    from workbench.store import AdapterStore

PACKAGES = ("torch", "transformers", "adapters", "peft", "accelerate")


@dataclass(frozen=True)
class Lesson:
    """One task to be learned: everything that determines the adapter which comes of it."""

    task: Task
    adaptation: Adaptation
    budget: Budget
    seed: int

    @property
    def key(self) -> str:
        """SHA-256 over all of it: equal keys, equal adapters."""
        return key(
            {
                "task": self.task.fingerprint,
                "backbone": self.adaptation.backbone.fingerprint,
                "pooling": self.adaptation.backbone.pooling,
                "method": self.adaptation.method,
                "settings": self.adaptation.settings.model_dump(mode="json"),
                "precision": self.adaptation.precision,
                "budget": self.budget.model_dump(mode="json"),
                "seed": self.seed,
                "processes": processes.count(),
                "versions": versions(),
            }
        )

    @property
    def adapter_id(self) -> str:
        """``task-method-`` and the beginning of the key."""
        return f"{self.task.name}-{self.adaptation.method}-{self.key[:8]}"


def versions() -> dict[str, str]:
    """Return the versions of the packages that a fit's numbers depend on."""
    return {name: _version(name) for name in PACKAGES}


@cache
def _version(package: str) -> str:
    return version(package)  # the same while this process runs, and asked for by every fit of a plan


def learn(
    lesson: Lesson, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None
) -> StoredAdapter:
    """Return the adapter that ``lesson`` gives; it is trained only if the store does not hold it yet.

    ``scratch`` is for checkpoints of a fit that takes long.

    Raises:
        TrainingError: the fit failed.
        IntegrityError: the method changed the backbone although it says that it does not.
    """
    if lesson.adapter_id in store.ids():
        return store.verify(lesson.adapter_id)
    model, record = teach(lesson, listener, label, scratch)
    manifest = describe(lesson.adapter_id, lesson.task, lesson.adaptation, lesson.budget, lesson.seed, record)
    return keep(model, lesson.adaptation, manifest, store)


def teach(lesson: Lesson, listener: Listener, label: str, scratch: Path | None = None) -> tuple[TaskModel, FitRecord]:
    """Return the model that ``lesson`` gives, and how the fit went; nothing is stored.

    Raises:
        TrainingError: the fit failed.
    """
    task, adaptation = draw(lesson.task, lesson.budget, lesson.seed), lesson.adaptation
    model = adaptation.fresh(task.kind, len(task.labels), lesson.seed)
    return model, fit(model, task, adaptation, lesson.budget, lesson.seed, listener, label, scratch)


def describe(
    adapter_id: str, task: Task, adaptation: Adaptation, budget: Budget, seed: int, record: FitRecord
) -> Manifest:
    """Return the manifest of an adapter that has just been made; ``files`` is filled in when it is kept."""
    return Manifest(
        id=adapter_id,
        task=_task_reference(task),
        backbone=_backbone_reference(adaptation.backbone),
        method=adaptation.method,
        library=adaptation.card.library,
        settings=adaptation.settings.model_dump(mode="json"),
        budget=budget,
        precision=adaptation.precision,
        seed=seed,
        fit=record,
        metrics={f"validation_{KINDS.get(task.kind).metric}": record.validation},
        versions=versions(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def keep(model: TaskModel, adaptation: Adaptation, manifest: Manifest, store: AdapterStore) -> StoredAdapter:
    """Put a model's adapter and head into the store under ``manifest.id``; the model is taken apart for it.

    Raises:
        IntegrityError: the backbone below has changed although the method says that it does not.
    """

    def write(folder: Path) -> None:
        adaptation.library.save(model.body, folder)
        save_head(model.head, folder / HEAD_FILE)
        _name_backbone(folder, adaptation.backbone)
        (folder / "README.md").write_text(card.render(manifest), encoding="utf-8")
        if not adaptation.card.trains_backbone and not adaptation.backbone_is_intact(model):
            raise IntegrityError(f"{adaptation.method} changed the backbone, which has to stay frozen")

    return store.save(manifest, write)


def _name_backbone(folder: Path, backbone: Backbone) -> None:
    """Put the hub id where a library has written this machine's path of the backbone into its own config."""
    for config in folder.rglob("*_config.json") if backbone.hub_id else ():
        text = config.read_text(encoding="utf-8")
        config.write_text(text.replace(json.dumps(str(backbone.folder)), json.dumps(backbone.hub_id)), encoding="utf-8")


def open_adapter(stored: StoredAdapter, backbone: Backbone) -> TaskModel:
    """Return the model of a stored adapter on ``backbone``.

    Raises:
        InputError: the adapter belongs to another backbone.
    """
    require_backbone(stored, backbone)
    backbone.require_length(stored.manifest.budget.max_length, stored.id)
    head = open_head(stored, backbone)
    return adaptation_of(stored.manifest, backbone).load(stored.folder, head, stored.manifest.task.kind)


def open_head(stored: StoredAdapter, backbone: Backbone) -> nn.Module:
    """Return a stored adapter's head alone."""
    task = stored.manifest.task
    adaptation = adaptation_of(stored.manifest, backbone)
    return adaptation.stored_head(stored.folder / HEAD_FILE, task.kind, len(task.labels)).eval()


def require_backbone(stored: StoredAdapter, backbone: Backbone) -> None:
    """Raise InputError where a stored adapter does not belong to ``backbone``."""
    reference = stored.manifest.backbone
    if reference.fingerprint != backbone.fingerprint:
        raise InputError(
            f"adapter {stored.id} was trained on {reference.name!r}, not on {backbone.name!r}",
            hint="Their weights have different fingerprints; give the backbone that it was trained on.",
        )


def adaptation_of(manifest: Manifest, backbone: Backbone) -> Adaptation:
    """Return the adaptation that a manifest describes.

    Raises:
        InputError: no such method, or one that has no such settings or is of another library.
    """
    card = METHODS.get(manifest.method)
    with opening("the settings in the manifest", manifest.id):
        settings = card.settings.model_validate(manifest.settings)
    if manifest.library != card.library:
        what = f"the manifest says library {manifest.library!r}, and {manifest.method} is of {card.library!r}"
        raise InputError(what, where=manifest.id)
    return Adaptation(backbone, manifest.method, settings, resolve_precision(manifest.precision))


def _task_reference(task: Task) -> TaskReference:
    return TaskReference(**{name: getattr(task, name) for name in TaskReference.model_fields})


def _backbone_reference(backbone: Backbone) -> BackboneReference:
    return BackboneReference(**{name: getattr(backbone, name) for name in BackboneReference.model_fields})
