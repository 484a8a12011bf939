"""What a person calls an adapter: the id that is meant, and a word about why it is that one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.ids import MOST_NAMED
from adapter_workbench.workbench.adapters.name_resolution import (
    NamedAdapter,
    adapter_for_task,
    require_readable_champions,
    resolve_name,
)
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.machine.listener import Listener


def adapter_id(
    workspace: Workspace,
    name: str,
    listener: Listener,
    folders: Sequence[Path] = (),
    crowned: bool = True,
    suits: Callable[[Manifest], bool] = lambda manifest: True,
) -> str:
    """Return the id of the adapter that ``name`` means, and tell ``listener`` why it is that one.

    Args:
        workspace: where the adapters are.
        name: what a person wrote: see :func:`adapter_workbench.workbench.adapters.name_resolution.resolve_name`.
        listener: hears of the choice, where there was one.
        folders: of the person's own tasks, to recognise a task that has no adapter yet.
        crowned: whether a task's champion goes first.
        suits: which of a task's adapters to choose from, where there are any such.

    Raises:
        UnknownNameError: no adapter is meant.
        InputError: several ids begin so, or the task has no adapter yet, or only such that experiments left.
        IntegrityError: the champion, or the file that names it, is damaged.
        TrackingError: the champions of an earlier version have to be taken over from a database that is locked.
    """
    require_some(workspace)
    champions = workspace.champions.current if crowned else dict

    def in_service(manifests: Sequence[Manifest]) -> Sequence[Manifest]:
        return workspace.origins.in_service(manifests) or _refuse(workspace, name, manifests)

    try:
        choice = resolve_name(workspace.adapters, name, champions, suits, workspace.score, in_service)
    except UnknownNameError as error:
        if name not in registry.names(folders):
            raise
        hint = f"Train one: workbench train {name} --method lora"
        raise InputError(f"there is no adapter for the task {name!r} yet", where=error.where, hint=hint) from None
    if choice.why:
        _say(listener, name, choice)
        if crowned:
            _say_unknown(workspace, listener)
    return choice.id


def adapter_of_each_task(
    workspace: Workspace, manifests: Iterable[Manifest], listener: Listener | None = None
) -> dict[str, str]:
    """Return the id of the adapter that answers for each task, by the tasks' names; ``listener`` hears why.

    Of several adapters it is the one that the task's name means everywhere: the champion, else the best on the same
    validation examples, else the newest. All ``manifests`` count: give those that a person named, or only those that
    :meth:`adapter_workbench.experiments.workspace.origins.Origins.in_service` leaves. Raises as :func:`adapter_id`.
    """
    crowned = workspace.champions.current()
    by_task: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_task.setdefault(manifest.task.name, []).append(manifest)
    choices: dict[str, NamedAdapter] = {}
    for task, of_task in sorted(by_task.items()):
        require_readable_champions(workspace.adapters, task, of_task, crowned)
        choices[task] = adapter_for_task(task, of_task, crowned, workspace.score)
    if listener:
        for task, choice in choices.items():
            _say(listener, task, choice)
        _say_unknown(workspace, listener)
    return {task: choice.id for task, choice in choices.items()}


def _refuse(workspace: Workspace, name: str, manifests: Sequence[Manifest]) -> NoReturn:
    """Raise InputError: ``name`` means adapters that experiments left, and nobody asked for."""
    best = adapter_for_task(name, manifests, scoring=workspace.score).id
    proposed = next(manifest for manifest in manifests if manifest.id == best)
    raise InputError(
        f"no adapter answers under {name!r}: experiments left {len(manifests)}, and nobody asked for one",
        where=str(workspace.root),
        hint=f"{left_by_experiments(workspace, manifests, best)} Or train one: workbench train "
        f"{proposed.task.name} --method {proposed.method}",
    )


def left_by_experiments(workspace: Workspace, manifests: Iterable[Manifest], first: str | None = None) -> str:
    """Return which experiments left these adapters, and the command that takes one over; ``first`` is named first."""
    newest = sorted(manifests, key=lambda manifest: (manifest.id == first, manifest.since, manifest.id), reverse=True)
    origins = workspace.origins.of(newest[:MOST_NAMED])
    listed = ", ".join(f"{adapter} ({origin})" for adapter, origin in origins.items())
    more = f" and {len(newest) - MOST_NAMED} more" if len(newest) > MOST_NAMED else ""
    return f"Left here: {listed}{more}. To take one over: workbench adapters promote {newest[0].id}."


def _say(listener: Listener, name: str, choice: NamedAdapter) -> None:
    listener.say(f"{name}: {choice.id}, {choice.why}.")


def _say_unknown(workspace: Workspace, listener: Listener) -> None:
    """Say that a server may know champions which the workspace does not."""
    if server := workspace.champions.server:
        listener.say(f"Champions at {server} are not known in this workspace: `workbench doctor` asks for them once.")


def require_some(workspace: Workspace) -> None:
    """Raise InputError where a workspace has no adapter at all."""
    if not workspace.adapters.ids():
        hint = "Train one: workbench train TASK --method lora. Or name the folder where it is: --workspace DIR"
        raise InputError("there are no adapters here yet", where=str(workspace.root), hint=hint)


def source_ids(
    workspace: Workspace,
    names: Iterable[str],
    listener: Listener,
    folders: Sequence[Path],
    takes: Callable[[str], bool],
) -> list[str]:
    """Return the ids of adapters that are to be composed; raises as :func:`adapter_id`.

    Of a task's adapters only those count whose library the composition ``takes``, and that go with the first source:
    on the same backbone, of the same library.
    """
    ids: list[str] = []
    first: list[Manifest] = []  # of the first source, as soon as it is known

    def suits(manifest: Manifest) -> bool:
        other = first[0] if first else manifest
        alike = (manifest.library, manifest.backbone.fingerprint) == (other.library, other.backbone.fingerprint)
        return alike and takes(manifest.library)

    for name in names:
        ids += [adapter_id(workspace, name, listener, folders, suits=suits)]  # the next one's choice depends on it
        first = first or [workspace.adapters.get(ids[0]).manifest]
    return ids
