"""An update: everything that determines the adapter of a task's next version, and the way to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.ways import WAYS, UpdateContext
from adapter_workbench.workbench.adapters.manifest import UpdateReference
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.stopwatch import sum_counts
from adapter_workbench.workbench.methods.stored_model import describe, keep
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.training import Lesson
from adapter_workbench.workbench.training.fitting import require_sharding

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.ways import Way
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


@dataclass(frozen=True)
class UpdateLesson:
    """The next version of a task, to be learned with the adapter that answers now at hand."""

    champion: StoredAdapter  # the adapter that answers now
    labels: LabelMap  # its labels beside those of the newer version, over all versions between
    task: Task  # the newer version, whole
    new_rows: frozenset[str]  # ids of training rows that are new, changed or relabelled since the champion's version
    way: str  # name of a way
    settings: Any  # of the way
    adaptation: Adaptation  # the method on the backbone, with its settings
    budget: Budget  # of the fit; every way takes as many steps as training on all rows
    seed: int  # of every random choice

    @property
    def card(self) -> Way:
        """The way's registry entry."""
        return WAYS.get(self.way)

    @property
    def anew(self) -> Lesson:
        """The same version, learned from nothing."""
        return Lesson(self.task, self.adaptation, self.budget, self.seed)

    @property
    def has_no_old_rows(self) -> bool:
        """Whether all training rows of the newer version are new, changed or relabelled."""
        return self.new_rows.issuperset(self.task.splits["train"]["id"][:])

    @property
    def key(self) -> str:
        """SHA-256 over all of it; of a way that takes nothing from the champion, that of :attr:`anew`."""
        if not self.card.from_champion:
            return self.anew.key
        revision = self.card.revision_of(self.settings, self.adaptation.card)
        own, asked = resolve_precision(self.champion.manifest.precision), self.adaptation.precision
        turned = [] if own == asked else [f"{own} to {asked}"]  # before, such an update was made in the champion's
        return key(
            {
                "lesson": self.anew.key,
                "champion": self.champion.identity,
                "way": [WAYS.identity(self.way), revision, *turned],
                "settings": self.settings.model_dump(mode="json"),
                "labels": [self.labels.before, self.labels.sources],
                "new rows": sorted(self.new_rows),
            }
        )

    @property
    def adapter_id(self) -> str:
        """``task-method-`` and the beginning of the key."""
        return f"{self.task.name}-{self.adaptation.method}-{self.key[:8]}"

    def learn(self, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None) -> StoredAdapter:
        """Return the adapter from the store, or make it: see :func:`learn_update`."""
        return learn_update(self, store, listener, label, scratch)

    def require_possible(self) -> None:
        """Raise InputError where the way cannot go on with the champion, or cannot work with the method."""
        objection = self._objection()
        if objection is not None:
            raise InputError(f"{self.way} {objection}", where="--how", hint="`workbench ways list` names the others.")

    def _objection(self) -> str | None:
        card, method = self.card, self.adaptation.card
        if self.task.kind != "classification":
            return f"needs a classification task, not {self.task.kind}"
        if card.from_champion and not method.trains:
            return f"goes on training, and method {self.adaptation.method} trains nothing"
        if card.from_champion and (differs := _other_shape(self.champion.manifest, self.adaptation)):
            return f"goes on with the champion's weights, which have another {', '.join(differs)}"
        if card.from_champion and card.needs_old_rows(self.settings) and self.has_no_old_rows:
            return "reads old training rows, and the newer version has none"
        return card.objection(self)


def learn_update(
    lesson: UpdateLesson, store: AdapterStore, listener: Listener, label: str, scratch: Path | None = None
) -> StoredAdapter:
    """Return the adapter that ``lesson`` gives; it is made only if the store does not hold it yet.

    Its manifest names the champion as parent, and the way with its settings; nothing of the kind where the way takes
    nothing from the champion. ``scratch`` is for checkpoints of a fit that takes long.

    Raises:
        InputError: the way is not possible here.
        TrainingError: the fit failed.
        IntegrityError: the champion is damaged, or the method changed the backbone.
    """
    if lesson.adapter_id in store:
        return store.verify(lesson.adapter_id)
    lesson.require_possible()
    require_sharding(lesson.adaptation)
    context = UpdateContext(
        settings=lesson.settings,
        champion=lesson.champion,
        labels=lesson.labels,
        task=lesson.task,
        new_rows=lesson.new_rows,
        adaptation=lesson.adaptation,
        budget=lesson.budget,
        seed=lesson.seed,
        listener=listener,
        label=label,
        scratch=scratch,
    )
    learned = lesson.card.learn(context)
    adaptation = learned.adaptation or lesson.adaptation
    record, beside = learned.record, context.beside
    if beside.seconds:
        record = replace(record, seconds=record.seconds + beside.seconds, spent=sum_counts(record.spent, beside.spent))
    manifest = describe(lesson.adapter_id, lesson.task, adaptation, lesson.budget, lesson.seed, record)
    if lesson.card.from_champion:
        manifest = manifest.model_copy(update={"parents": (lesson.champion.id,), "update": _reference(lesson)})
    return keep(learned.model, adaptation, manifest, store)


def _reference(lesson: UpdateLesson) -> UpdateReference:
    return UpdateReference(
        way=lesson.way,
        settings=lesson.settings.model_dump(mode="json"),
        champion=lesson.champion.id,
        new_rows=len(lesson.new_rows),
    )


def _other_shape(champion: Manifest, adaptation: Adaptation) -> list[str]:
    """Return what differs but for how training goes: method and settings of the champion beside those asked for."""
    if champion.method != adaptation.method:
        return ["method"]
    own, asked = champion.settings, adaptation.settings.model_dump(mode="json")
    names = sorted({*own, *asked} - MethodSettings.model_fields.keys())
    return [name for name in names if own.get(name) != asked.get(name)]
