"""What `workbench update TASK` is to learn: the champion, the newest version of its task, and what lies between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.updates.beginning import find_beginning
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.updating.new_rows import new_train_rows
from adapter_workbench.tasks.updating.state import has_rows
from adapter_workbench.tasks.updating.version import facts_of, labels_between
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget, Document

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.requests.update import UpdateRequest
    from adapter_workbench.experiments.updates.beginning import Beginning
    from adapter_workbench.experiments.ways.update import UpdateLesson
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.tasks.task_file.spec import TaskSpec
    from adapter_workbench.tasks.updating.label_map import LabelMap
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.settings.base import MethodSettings

DEFAULT_WAY, WITHOUT_OLD_ROWS = "anew", "continue"


@dataclass(frozen=True)
class UpdatePlan:
    """An update that can be made.

    Attributes:
        lesson: what is to be learned.
        older: number of the champion's version of the task.
        newer: number of the newest version.
        versions: number → version.
        forget_rows: whether no training row of the champion's version is read.
    """

    lesson: UpdateLesson
    older: int
    newer: int
    versions: Mapping[int, TaskSpec]
    forget_rows: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the document of ``workbench update --dry-run --json``."""
        lesson = self.lesson
        return {
            "task": lesson.task.name,
            "from": self.older,
            "to": self.newer,
            "champion": lesson.champion.id,
            "way": lesson.way,
            "settings": lesson.settings.model_dump(mode="json"),
            "new_rows": len(lesson.new_rows),
            "forget_rows": self.forget_rows,
        }


def plan_update(
    request: UpdateRequest, workspace: Workspace, folders: Sequence[Path], listener: Listener
) -> UpdatePlan:
    """Return what an update is to learn; nothing is trained.

    Where this very update is made already, because its command was killed after the champion had changed, the plan is
    the same as then.

    Raises:
        UnknownNameError: no such task or way.
        InputError: the task has one version, no champion, or one that is of the newest version already by another
            update, or that cannot be gone on with; a way that needs old rows where they may not be read; or a wrong
            setting.
        IntegrityError: the champion or a version is damaged.
    """
    way = _way_of(request)
    card = WAYS.get(way, "--how")
    begun = find_beginning(request.task, way, workspace, folders, listener)
    manifest = begun.champion.manifest
    document = Document(_champion_settings(begun.champion), "command line").set(request.assignments)
    settings, budget, way_settings = _parsed(document, METHODS.get(manifest.method).settings, card.settings)
    if request.forget_rows and card.needs_old_rows(way_settings):
        message = f"{way} reads training rows of {request.task}@{begun.older}, and --forget-rows forbids it"
        raise InputError(message, where="--how", hint=f"One that needs none: --how {WITHOUT_OLD_ROWS}")
    labels = labels_between(begun.versions, begun.older, begun.newer)
    new_rows = _new_rows(request, begun, labels)
    loaded = registry.load(begun.versions[begun.newer])
    from adapter_workbench.experiments.ways.update import (
        UpdateLesson,  # imports torch, which reporting mistakes does not need
    )

    adaptation = _adaptation(begun.champion, settings, budget)
    seed = manifest.seed_here if request.seed is None else request.seed
    lesson = UpdateLesson(begun.champion, labels, loaded, new_rows, way, way_settings, adaptation, budget, seed)
    begun.require_this_update(lesson.adapter_id)
    lesson.require_possible()
    return UpdatePlan(lesson, begun.older, begun.newer, begun.versions, request.forget_rows)


def _adaptation(champion: StoredAdapter, settings: MethodSettings, budget: Budget) -> Adaptation:
    """Return the champion's method on its backbone."""
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.methods.stored_model import backbone_of

    backbone = backbone_of(champion).quantized(budget.quantization, "budget.quantization")
    backbone = backbone.kept(budget.weights, "budget.weights")
    backbone.require_length(budget.max_length, "budget.max_length", settings.virtual_tokens)
    return Adaptation(backbone, champion.manifest.method, settings, resolve_precision(budget.precision))


def _new_rows(request: UpdateRequest, begun: Beginning, labels: LabelMap) -> frozenset[str]:
    """Return the ids of new training rows; raises InputError where the older ones are gone and are needed."""
    older, newer = begun.versions[begun.older], begun.versions[begun.newer]
    if not request.forget_rows and not has_rows(older, "train"):
        hint = f"Learn without them: workbench update {request.task} --forget-rows"
        raise InputError("the training rows of the champion's version are gone", where=str(older.folder), hint=hint)
    if not has_rows(older, "train") and not _were_replaced(begun):
        versions = f"{request.task}@{begun.newer} has training rows of {request.task}@{begun.older}"
        message = f"{versions}, and which ones cannot be told, since their file is gone"
        hint = f"Make a version without them: workbench tasks update {request.task} --from FILE --replace"
        raise InputError(message, where=str(older.folder), hint=hint)
    return new_train_rows(older, newer, labels, without_old=request.forget_rows)


def _were_replaced(begun: Beginning) -> bool:
    """Return whether a version after the champion's was made of new rows alone."""
    later = range(begun.older + 1, begun.newer + 1)
    return any(facts_of(begun.versions[number].folder).how == "replace" for number in later)


def _way_of(request: UpdateRequest) -> str:
    return request.how or (WITHOUT_OLD_ROWS if request.forget_rows else DEFAULT_WAY)


def _champion_settings(champion: StoredAdapter) -> dict[str, Any]:
    manifest = champion.manifest
    return {**manifest.settings, "budget": manifest.budget.model_dump(mode="json")}


def _parsed(document: Document, method: type[Any], way: type[Any]) -> list[Any]:
    """Return settings of the method, the budget, and settings of the way; raises SettingsError for all mistakes."""
    own = {name: value for name, value in document.data.items() if name not in {"budget", "way"}}
    return document.parse_parts(
        ((), own, method),
        (("budget",), document.data.get("budget", {}), Budget),
        (("way",), document.data.get("way", {}), way),
    )
