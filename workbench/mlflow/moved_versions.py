"""Registered versions whose files a moved database has elsewhere: MLflow changes no source, so they are entered anew.

The registered model gets another name, and a new one has its own; numbers begin again at 1 then, so that versions which
are entered in their old order keep them. What the workspace no longer holds stays under the other name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.mlflow.registration import (
    ADAPTER,
    ASIDE,
    BEFORE,
    Version,
    aside,
    matching,
    registered_models,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient

    IsLeft = Callable[[str], bool]  # whether a location is in a folder from which a database was moved or copied


def left_versions(client: BoundedClient, is_left: IsLeft) -> tuple[tuple[str, str], ...]:
    """Return the registered name and the adapter of each version of ours that lies elsewhere, by their numbers."""
    versions = [
        version
        for version in client.search_model_versions()
        if ADAPTER in version.tags and is_left(str(version.source))
    ]
    return tuple(
        (_name(version.name), version.tags[ADAPTER])
        for version in sorted(versions, key=lambda candidate: int(candidate.version))
    )


def make_way(client: BoundedClient, name: str, is_left: IsLeft) -> None:
    """Let a registered model with such versions have another name, so that new ones can be entered under its own."""
    if any(is_left(str(version.source)) for version in client.search_model_versions(f"name = '{name}'")):
        client.rename_registered_model(name, aside(name, client.get_registered_model(name).creation_timestamp))


def carry_over(client: BoundedClient) -> None:
    """Give versions that were entered anew the tags, descriptions and aliases of those before, and delete these."""
    models = registered_models(client)
    for name, model in registered_models(client, moved=True).items():
        if _name(name) in models:
            _carry_over(client, model, models[_name(name)])


def _carry_over(client: BoundedClient, old: Any, new: Any) -> None:
    entered = {str(entity.version): entity for entity in client.search_model_versions(f"name = '{new.name}'")}
    ours = [Version.read(number, entity.tags) for number, entity in entered.items() if ADAPTER in entity.tags]
    versions = client.search_model_versions(f"name = '{old.name}'")
    pairs = [
        (version, entered[now.number])
        for version in versions
        if (now := matching(ours, Version.read(version.version, version.tags))) is not None
    ]
    numbers = {str(before.version): str(now.version) for before, now in pairs}
    for before, now in pairs:
        _describe(client, before, now, numbers)
    for alias, number in old.aliases.items():
        if str(number) in numbers and alias not in new.aliases:
            client.set_registered_model_alias(new.name, alias, numbers[str(number)])
    if old.description and old.description != new.description:
        client.update_registered_model(new.name, old.description)
    for before, _ in pairs:
        client.delete_model_version(old.name, before.version)
    if len(pairs) == len(versions):
        client.delete_registered_model(old.name)


def _describe(client: BoundedClient, before: Any, now: Any, numbers: Mapping[str, str]) -> None:
    """Give a version the description of the one before it, and its tags; ``numbers`` are those that versions have."""
    for tag, value in before.tags.items():
        copied = numbers.get(value) if tag == BEFORE else value
        if tag not in now.tags and copied is not None:
            client.set_model_version_tag(now.name, now.version, tag, copied)
    if before.description and before.description != now.description:
        client.update_model_version(now.name, now.version, before.description)


def _name(name: str) -> str:
    """Return the name that a registered model had before it was set aside."""
    match = ASIDE.fullmatch(name)
    return match["name"] if match else name
