"""The MLflow model registry: logged models are versions of a name, and an alias copies which one is the champion.

Which version is the champion is decided and kept in the workspace. What is here is what MLflow holds of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import TrackingError
from adapter_workbench.workbench.mlflow.bounded_client import all_pages

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.mlflow.bounded_client import BoundedClient

CHAMPION = "champion"
ASIDE = re.compile(r"(?P<name>.+) \(before the move, \d+\)")  # what of a moved database is not here; see `aside`
ADAPTER, MEASURE, VALIDATION = "workbench.adapter", "workbench.measure", "workbench.validation"
EXAMPLES, IDENTITY = "workbench.examples", "workbench.identity"
BEFORE = "workbench.champion-before"  # of a champion: the number of the version that was champion before it
SET_ASIDE = "workbench.rolled-back"  # of a version that a person took the champion's place from


@dataclass(frozen=True)
class Entry:
    name: str  # of the registered model, without ``/`` and ``:``, which MLflow allows in none
    model: str  # key of the logged model: the adapter's identity
    adapter: str  # its id
    measure: str | None  # what its validation score is a score of; only scores of equal measures are compared
    validation: float | None  # the score, higher is better; None where none counts here
    examples: str = ""  # the same as ``measure``, in words
    description: str = ""  # of the version, in Markdown
    about: str = ""  # describes the registered model, in Markdown

    @property
    def tags(self) -> dict[str, str]:
        """What MLflow keeps of it on the version."""
        tags = {ADAPTER: self.adapter, IDENTITY: self.model}
        if self.measure is not None and self.validation is not None:
            tags |= {MEASURE: self.measure, VALIDATION: repr(self.validation)}
        return tags | ({EXAMPLES: self.examples} if self.examples else {})

    @property
    def version(self) -> Version:
        """The version that it is or becomes; its number is not known."""
        return Version("", self.adapter, self.measure, self.validation, identity=self.model, examples=self.examples)


@dataclass(frozen=True)
class Version:
    """A version of a registered name; None for what is not known of it."""

    number: str  # of the version
    adapter: str | None  # its id
    measure: str | None = None  # what its validation score is a score of
    validation: float | None = None  # the score, higher is better
    set_aside: bool = False  # whether a person took the champion's place from it; a registration does not give it back
    identity: str | None = None  # of the adapter: of its files, the backbone's weights and the arithmetic
    examples: str | None = None  # the same as ``measure``, in words

    @classmethod
    def of(cls, adapter: StoredAdapter) -> Version:
        """Return the version that an adapter has or would get; number and score are not known."""
        return cls("", adapter.id, identity=adapter.identity)

    @classmethod
    def read(cls, number: object, tags: Mapping[str, str]) -> Version:
        """Return what the tags of MLflow's version tell."""
        return cls(
            number=str(number),
            adapter=tags.get(ADAPTER),
            measure=tags.get(MEASURE),
            validation=_number(tags.get(VALIDATION)),
            set_aside=SET_ASIDE in tags,
            identity=tags.get(IDENTITY),
            examples=tags.get(EXAMPLES),
        )

    def is_of(self, other: Version) -> bool:
        """Return whether both are versions of the same adapter, whatever their numbers.

        The same command gives the same id on another machine, and other files; an unknown identity may be any.
        """
        if self.adapter is None:
            return self.number == other.number
        same_files = None in (self.identity, other.identity) or self.identity == other.identity
        return self.adapter == other.adapter and same_files

    def __str__(self) -> str:
        """Return the number, the adapter and the score."""
        score = "no score" if self.validation is None else f"{self.validation:.4f} on validation"
        return f"version {self.number} ({self.adapter or 'an unknown adapter'}, {score})"


@dataclass(frozen=True)
class RegisteredModel:
    name: str  # ``TASK.METHOD``
    versions: tuple[Version, ...] = ()  # by number, the lowest first
    champion: str | None = None  # the number of the version that the alias names; None where it names none
    # number of a version → number of the version that was champion before it
    before: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, tags: Mapping[str, Mapping[str, str]], champion: object) -> RegisteredModel:
        """Return what the tags of each version say; ``champion`` is the number that the alias names, or None."""
        versions = tuple(Version.read(number, tags[number]) for number in sorted(tags, key=int))
        before = {number: version_tags[BEFORE] for number, version_tags in tags.items() if BEFORE in version_tags}
        return cls(name, versions, None if champion is None else str(champion), before)

    def version_of(self, wanted: Version) -> Version | None:
        """Return the version of the same adapter; None where MLflow has none."""
        return matching(self.versions, wanted)

    def version_with_number(self, number: str | None) -> Version | None:
        return next((version for version in self.versions if version.number == number), None)


def matching(versions: Iterable[Version], wanted: Version) -> Version | None:
    """Return the version of the same adapter, one whose files are known first; None where there is none."""
    same = (version for version in versions if version.is_of(wanted))
    return max(same, key=lambda version: version.identity is not None, default=None)


def aside(name: str, number: int) -> str:
    """Return what is called ``name`` no more, for something that was made again under that name; see :data:`ASIDE`."""
    return f"{name} (before the move, {number})"


def registered_models(client: BoundedClient, moved: bool = False) -> dict[str, Any]:
    """Return MLflow's entity of each registered model by its name; only those set aside, or only all others."""
    models = all_pages(lambda token: client.search_registered_models(page_token=token))
    return {model.name: model for model in models if bool(ASIDE.fullmatch(model.name)) == moved}


def enter(client: BoundedClient, entry: Entry, model: Any) -> RegisteredModel:
    """Make ``model``, MLflow's entity of it, a version; an adapter that has one already keeps it.

    Returns: the registered model afterwards; its alias is not touched.
    """
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(entry.name, description=entry.about or None)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    entities = {str(entity.version): entity for entity in client.search_model_versions(f"name = '{entry.name}'")}
    version = matching((Version.read(number, entity.tags) for number, entity in entities.items()), entry.version)
    if version is None:
        location = model.artifact_location  # of "models:/ID" MLflow would ask the server that is set globally
        options = {"description": entry.description or None, "model_id": model.model_id}
        client.create_model_version(entry.name, location, model.source_run_id, entry.tags, **options)
    else:
        entity = entities[version.number]
        if entry.description and not entity.description:  # of an earlier version of the workbench
            client.update_model_version(entry.name, entity.version, entry.description)
        for tag, value in entry.tags.items():
            if entity.tags.get(tag) != value:
                client.set_model_version_tag(entry.name, entity.version, tag, value)
    registered = registered_model(client, entry.name)
    if registered is None or registered.version_of(entry.version) is None:
        raise TrackingError(f"it registered a version of {entry.adapter!r}, but its answer does not name that version")
    return registered


def registered_model(client: BoundedClient, name: str) -> RegisteredModel | None:
    """Return what MLflow has under a name; None where it has no such model.

    Raises:
        TrackingError: the server answers with something else; that is not taken for an answer that there is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    if model.name != name:
        raise TrackingError(f"its answer to a question about the registered model {name!r} does not name that model")
    return read_model(client, model)


def read_model(client: BoundedClient, model: Any) -> RegisteredModel:
    """Return what MLflow has of a registered model, given its entity of it."""
    entities = client.search_model_versions(f"name = '{model.name}'")
    tags = {str(entity.version): dict(entity.tags) for entity in entities}
    return RegisteredModel.read(model.name, tags, model.aliases.get(CHAMPION))


def _number(text: str | None) -> float | None:
    try:
        value = math.nan if text is None else float(text)
    except ValueError:  # a person's own
        return None
    return value if math.isfinite(value) else None
