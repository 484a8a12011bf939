"""Teaching one task: a lesson gives an isolated adapter in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.stored_model import describe, keep
from adapter_workbench.workbench.training.fitting import fit, require_sharding

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


class Teachable(Protocol):
    """What gives one adapter: a :class:`Lesson`, or one that begins at an adapter that exists."""

    @property
    def task(self) -> Task:
        """The task, whole."""

    @property
    def adaptation(self) -> Adaptation:
        """The method on the backbone."""

    @property
    def budget(self) -> Budget:
        """Of the fit."""

    @property
    def seed(self) -> int:
        """Of every random choice."""

    @property
    def key(self) -> str:
        """Digest of everything that determines the adapter."""

    @property
    def adapter_id(self) -> str:
        """The id under which the adapter is stored."""

    def learn(self, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None) -> StoredAdapter:
        """Return the adapter from the store, or train it: see :func:`learn`."""


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
                "backbone": self.adaptation.backbone.identity,
                "pooling": self.adaptation.backbone.pooling,
                "method": METHODS.identity(self.adaptation.method, self.adaptation.settings),
                "settings": self.adaptation.settings.model_dump(mode="json"),
                "precision": self.adaptation.precision,
                "budget": self.budget.model_dump(mode="json"),
                "seed": self.seed,
                "processes": processes.sharing(),
                "versions": versions(),
            }
        )

    @property
    def adapter_id(self) -> str:
        """``task-method-`` and the beginning of the key."""
        return f"{self.task.name}-{self.adaptation.method}-{self.key[:8]}"

    def learn(self, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None) -> StoredAdapter:
        """Return the adapter from the store, or train it: see :func:`learn`."""
        return learn(self, store, listener, label, scratch)


def learn(
    lesson: Lesson, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None
) -> StoredAdapter:
    """Return the adapter that ``lesson`` gives; it is trained only if the store does not hold it yet.

    ``scratch`` is for checkpoints of a fit that takes long.

    Raises:
        TrainingError: the fit failed.
        IntegrityError: the method changed the backbone although it says that it does not.
    """
    if lesson.adapter_id in store:
        return store.verify(lesson.adapter_id)
    model, record = teach(lesson, listener, label, scratch)
    manifest = describe(lesson.adapter_id, lesson.task, lesson.adaptation, lesson.budget, lesson.seed, record)
    return keep(model, lesson.adaptation, manifest, store)


def teach(lesson: Lesson, listener: Listener, label: str, scratch: Path | None = None) -> tuple[TaskModel, FitRecord]:
    """Return the model that ``lesson`` gives, and how the fit went; nothing is stored.

    Raises:
        TrainingError: the fit failed.
    """
    require_sharding(lesson.adaptation)
    task, adaptation = draw(lesson.task, lesson.budget, lesson.seed), lesson.adaptation
    model = adaptation.fresh(task.kind, len(task.labels), lesson.seed)
    return model, fit(model, task, adaptation, lesson.budget, lesson.seed, listener, label, scratch)
