"""The champion of a registered model goes back to the version that was champion before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError, UnknownNameError
from workbench.mlflow.registration import CHAMPION, ROLLED_BACK, Version, champion_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.mlflow.bounded_client import BoundedClient

MOST_NAMED = 8  # versions that a message lists


@dataclass(frozen=True)
class RolledBack:
    """What a rollback changed.

    Attributes:
        name: of the registered model.
        was: the champion before the rollback; None where there was none.
        now: the champion since.
    """

    name: str
    was: Version | None
    now: Version


def roll_back(client: BoundedClient, name: str, to: str | None) -> RolledBack:
    """Move the alias ``champion`` of a registered model back.

    The version that loses it is marked, so that registering its adapter again does not make it the champion again. The
    note of what was champion before a version stays as it is: one rollback after the other goes further back.

    Args:
        client: of the registry.
        name: of the registered model, or of a task with one such model.
        to: number of the version that becomes the champion; the one that was champion before if None.

    Raises:
        UnknownNameError: no such model is registered.
        InputError: the task has several; or no such version; or ``to`` is None and no earlier champion is recorded.
    """
    name = _registered(client, name)
    versions = [Version.read(entity) for entity in client.search_model_versions(f"name = '{name}'")]
    was = champion_of(client, name)
    now = _earlier(name, versions, was) if to is None else _named(name, versions, was, to)
    if was is not None:
        client.set_model_version_tag(name, was.number, ROLLED_BACK, "true")
    client.set_registered_model_alias(name, CHAMPION, now.number)
    if now.rolled_back:
        client.delete_model_version_tag(name, now.number, ROLLED_BACK)
    return RolledBack(name, was, now)


def _registered(client: BoundedClient, name: str) -> str:
    """Return the registered name that a person means: the name itself, or the only ``TASK.METHOD`` of a task."""
    names = _names(client)
    if name in names:
        return name
    of_task = [registered for registered in names if registered.rpartition(".")[0] == name]
    if len(of_task) > 1:
        message = f"{name!r} has {len(of_task)} registered models: {', '.join(of_task[:MOST_NAMED])}"
        raise InputError(message, hint="Name one of them.")
    if not of_task:
        raise UnknownNameError("registered model", name, names)
    return of_task[0]


def _names(client: BoundedClient) -> list[str]:
    names: list[str] = []
    page: Any = client.search_registered_models()
    while True:
        names += [model.name for model in page]
        if not page.token:
            return sorted(names)
        page = client.search_registered_models(page_token=page.token)


def _earlier(name: str, versions: Sequence[Version], was: Version | None) -> Version:
    number = was.before if was else None
    earlier = next((version for version in versions if version.number == number), None)
    if earlier:
        return earlier
    if was is None:
        message = "it has no champion"
    elif number is None:
        message = f"no champion before version {was.number} is recorded"
    else:
        message = f"version {number}, the champion before version {was.number}, was deleted"
    raise InputError(message, where=name, hint=_choices(versions, was))


def _named(name: str, versions: Sequence[Version], was: Version | None, to: str) -> Version:
    named = next((version for version in versions if version.number == to), None)
    if named is None:
        raise InputError(f"there is no version {to}", where=name, hint=_choices(versions, was))
    if was is not None and named.number == was.number:
        raise InputError(f"version {to} is the champion already", where=name, hint=_choices(versions, was))
    return named


def _choices(versions: Sequence[Version], was: Version | None) -> str:
    """Return which versions ``--to`` may name, the newest first."""
    others = sorted((version for version in versions if was is None or version.number != was.number), key=_age)
    if not others:
        return "There is no other version. Register one: workbench adapters register ID"
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return f"Name one with --to: {', '.join(map(str, others[:MOST_NAMED]))}{more}."


def _age(version: Version) -> int:
    return -int(version.number)
