"""What `workbench update TASK` is to learn: the champion, the newest version of its task, and what lies between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.naming import adapter_id
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.loading.version_folders import split_name
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
    """An update that can be made."""

    lesson: UpdateLesson  # what is to be learned
    older: int  # number of the champion's version of the task
    newer: int  # number of the newest version
    versions: Mapping[int, TaskSpec]  # number → version
    forget_rows: bool = False  # whether no training row of the champion's version is read

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


# Where an update begins: the champion of a task, the version that it learned, and the newest one.


@dataclass(frozen=True)
class Beginning:
    """Where an update begins."""

    champion: StoredAdapter  # the adapter that is updated
    older: int  # number of the version of the task that it learned
    newer: int  # number of the newest version
    versions: Mapping[int, TaskSpec]  # number → version
    # the adapter of the newest version that is champion now, where this update may have made it before it was
    # killed; else None
    made: StoredAdapter | None = None

    def require_this_update(self, adapter: str) -> None:
        """Raise InputError where another update than the one that gives ``adapter`` has made the champion already."""
        if self.made is not None and (self.older == self.newer or adapter != self.made.id):
            raise _is_of_newest(self.made, self.newer)


def find_beginning(task: str, way: str, workspace: Workspace, folders: Sequence[Path], listener: Listener) -> Beginning:
    """Return where an update of ``task`` by ``way`` begins.

    Raises:
        UnknownNameError: no such task.
        InputError: the task has one version, no champion, or one that is of the newest version already by another
            update, or that cannot be gone on with.
        IntegrityError: the champion or a version is damaged.
    """
    versions = _versions_of(task, folders)
    champion, newer = _champion_of(task, workspace, folders, listener), max(versions)
    older = _number(champion, versions)
    if older < newer:
        return Beginning(champion, older, newer, versions)
    before = _champion_before(champion, workspace, way, newer)
    return Beginning(before, _number(before, versions), newer, versions, made=champion)


def _versions_of(task: str, folders: Sequence[Path]) -> dict[int, TaskSpec]:
    """Return the versions of a task; raises InputError where there is one, or a name with a version is given."""
    name, number = split_name(task)
    if number is not None:
        hint = f"An update leads to the newest version: workbench update {name}"
        raise InputError(f"{task!r} names a version", hint=hint)
    registry.find(task, folders)
    versions = registry.versions(task, folders)
    if len(versions) < 2:
        hint = f"The next one is made by: workbench tasks update {task} --from FILE"
        raise InputError(f"{task!r} has one version, so there is nothing to update to", hint=hint)
    return versions


def _champion_of(task: str, workspace: Workspace, folders: Sequence[Path], listener: Listener) -> StoredAdapter:
    """Return the champion that answers under the task's name; raises InputError unless it can be gone on with."""
    answering = adapter_id(workspace, task, listener, folders)
    if answering not in {champion.adapter for champion in workspace.champions.current().values()}:
        hint = f"{answering} answers now. Make it the champion: workbench adapters register {answering}"
        raise InputError(f"{task!r} has no champion to update", where=str(workspace.root), hint=hint)
    champion = workspace.adapters.verify(answering)
    manifest = champion.manifest
    if manifest.elsewhere or manifest.imported:
        message = f"the champion {answering} came from elsewhere, and cannot be gone on with or compared"
        train = f"Train one for the newest version: workbench train {task} --method lora"
        crowned = f"workbench adapters register ID, workbench adapters promote {task}.lora --to ID"
        raise InputError(message, hint=f"{train}. Then make it the champion: {crowned}")
    if manifest.composition:
        hint = f"Train one for the newest version: workbench add {task} --method lora"
        raise InputError(f"the champion {answering} was composed of others, and cannot be gone on with", hint=hint)
    return champion


def _number(champion: StoredAdapter, versions: Mapping[int, TaskSpec]) -> int:
    """Return the number of the champion's version; raises InputError where it is none."""
    task, method = champion.manifest.task, champion.manifest.method
    number = registry.numbers_by_data(versions).get(task.fingerprint)
    if number is None:
        message = f"the champion {champion.id} was trained on data that are no version of {task.name!r}"
        hint = f"Train one for the newest version: workbench add {task.name} --method {method}"
        raise InputError(message, hint=hint)
    return number


def _champion_before(made: StoredAdapter, workspace: Workspace, way: str, newest: int) -> StoredAdapter:
    """Return the champion before one of the newest version; raises InputError unless that one may be made of it."""
    known = (
        name for name in workspace.champions.names().values() if name.champion and name.champion.adapter == made.id
    )
    before = next((name.before.adapter for name in known if name.before is not None), None)
    made_by, from_champion = made.manifest.update, WAYS.get(way).from_champion
    fits = (made_by.way, made_by.champion) == (way, before) if made_by else not from_champion
    if before is None or not fits:
        raise _is_of_newest(made, newest)
    return workspace.adapters.verify(before)


def _is_of_newest(champion: StoredAdapter, newest: int) -> InputError:
    task = champion.manifest.task.name
    message = f"the champion {champion.id} is of {task}@{newest} already, the newest version"
    return InputError(message, hint=f"New rows make the next one: workbench tasks update {task} --from FILE")
