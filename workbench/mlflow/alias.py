"""The alias ``champion`` in MLflow's registry, and the tags beside it: a copy of what the workspace says."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.mlflow.registration import (
    BEFORE,
    CHAMPION,
    SET_ASIDE,
    registered_model,
    registered_models,
)

if TYPE_CHECKING:
    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient
    from adapter_workbench.workbench.mlflow.registration import RegisteredModel, Version


@dataclass(frozen=True)
class Succession:
    """The champion of a registered name in the workspace, to be copied to MLflow."""

    champion: Version  # the version that answers under the name
    # the version that was champion before it, to which a rollback leads; None where there was none
    before: Version | None
    set_aside: tuple[Version, ...]  # the versions that a person took the champion's place from


def aliases(client: BoundedClient) -> dict[str, str | None]:
    """Return for each registered name the number of the version that the alias names; None where it names none."""
    numbers = {name: model.aliases.get(CHAMPION) for name, model in registered_models(client).items()}
    return {name: None if number is None else str(number) for name, number in numbers.items()}


def follow(client: BoundedClient, name: str, succession: Succession, expected: Version | None) -> str | None:
    """Copy the workspace's champion of a name to MLflow: tags first, because tags alone do no harm.

    Args:
        client: of the registry.
        name: of the registered model.
        succession: what the workspace says now.
        expected: the champion that the alias was last set to, as far as the workspace knows; None for none.

    Returns: a line where MLflow said something else, or has no such version; None otherwise.
    """
    model = registered_model(client, name)
    version = None if model is None else model.version_of(succession.champion)
    if model is None or version is None:
        return missing(name, succession)
    _copy_tags(client, model, version, succession)
    if model.champion == version.number:
        return None
    client.set_registered_model_alias(name, CHAMPION, version.number)
    seen = model.version_with_number(model.champion)
    if expected is not None and seen is not None and seen.is_of(expected):
        return None
    if expected is None and model.champion is None:
        return None
    was = f"on {seen}" if seen else "on no version"
    hint = (
        seen
        and seen.adapter
        and f" `workbench adapters promote {shlex.quote(name)} --to {seen.adapter}` chooses the other one."
    )
    return (
        f"MLflow's alias `champion` of {name} was {was}; it follows the workspace: {succession.champion}.{hint or ''}"
    )


def missing(name: str, succession: Succession) -> str:
    """Return the line where MLflow has no version that the alias could name."""
    hint = f"Register it: `workbench adapters register {succession.champion.adapter}`."
    return f"MLflow has no version of {succession.champion.adapter}, the champion of {name}. {hint}"


def _copy_tags(client: BoundedClient, model: RegisteredModel, version: Version, succession: Succession) -> None:
    predecessor = succession.before and model.version_of(succession.before)
    if predecessor is not None and model.before.get(version.number) != predecessor.number:
        client.set_model_version_tag(model.name, version.number, BEFORE, predecessor.number)
    elif predecessor is None and version.number in model.before:  # a workspace that takes this over would go there
        client.delete_model_version_tag(model.name, version.number, BEFORE)
    for sibling in model.versions:
        is_set_aside = any(version.is_of(sibling) for version in succession.set_aside)
        if is_set_aside and not sibling.set_aside:
            client.set_model_version_tag(model.name, sibling.number, SET_ASIDE, "true")
        elif sibling.set_aside and not is_set_aside:
            client.delete_model_version_tag(model.name, sibling.number, SET_ASIDE)
