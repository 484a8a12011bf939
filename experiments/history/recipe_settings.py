"""What a record says of its recipe, setting by setting, and in which settings two records differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import RecordDocument

# what follows from other settings and from the data, and what changes no number
DERIVED = {
    *("attempts", "data_sources", "default_rate", "description", "kinds", "majority", "shared_texts", "test_sizes"),
    *("training", "looks"),  # of a training elsewhere: what tells it from others, and how often it is measured
    "streams",  # of a repair: what the stream that it repairs had learned
}
ORDERS = "orders"  # of the tasks: of two records with as many, what they are; else how many
MADE_UNDER = ("python", "machine", "git", "plugins")  # of the provenance, besides the versions of packages


@dataclass(frozen=True)
class RecipeSettings:
    """What a record says of its recipe."""

    shared: Mapping[str, Any]  # setting → its value, for all that is compared: ``budget.epochs``, ``seeds``
    # the same of each of the compared by its label: strategies, methods, routers, whatever the study has
    entries: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SettingDifference:
    """A setting with both of its values; None for one that is not there, or is left open."""

    setting: str
    first: Any
    second: Any

    def as_json(self) -> dict[str, Any]:
        """Return ``{setting, first, second}``."""
        return {"setting": self.setting, "first": self.first, "second": self.second}


def settings_of(record: RecordDocument) -> RecipeSettings:
    """Return what a record says of its recipe, whatever its study: an entry is what has a label."""
    shared: dict[str, Any] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, value in record.about.items():
        if isinstance(value, list) and value and all(isinstance(item, Mapping) and "label" in item for item in value):
            entries |= {entry["label"]: dict(_entry(entry)) for entry in value}
        else:
            shared |= dict(_flat(value, name))
    return RecipeSettings(shared, entries)


def differing_settings(first: RecordDocument, second: RecordDocument) -> tuple[SettingDifference, ...]:
    """Return the settings in which two recipes differ; of entries, those that both have."""
    ours, theirs = settings_of(first), settings_of(second)
    differences = [*_differences(ours.shared, theirs.shared)]
    for label, settings in ours.entries.items():
        if label in theirs.entries:
            differences += _differences(settings, theirs.entries[label], f"{label}.")
    return tuple(differences)


def made_differently(first: RecordDocument, second: RecordDocument) -> tuple[SettingDifference, ...]:
    """Return in what the circumstances of two runs differ: versions of packages, the machine, the code's commit."""
    return tuple(_differences(_made_under(first), _made_under(second)))


def _made_under(record: RecordDocument) -> dict[str, str]:
    provenance = record.provenance
    packages = (package.rpartition(" ") for package in provenance.get("versions", "").split(", ") if package)
    return {
        **{name: version for name, _, version in packages},
        **{name: provenance.get(name, "") for name in MADE_UNDER},
    }


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> Iterator[SettingDifference]:
    for name in dict.fromkeys([*first, *second]):
        ours, theirs = first.get(name), second.get(name)
        if ours != theirs:
            if name == ORDERS and ours and theirs and len(ours) != len(theirs):
                ours, theirs = len(ours), len(theirs)
            yield SettingDifference(f"{prefix}{name}", ours, theirs)


def _entry(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of an entry, those of its method or router beside the names of these."""
    for name, value in entry.items():
        if name == "settings":
            yield from _flat(value, "")
        elif name != "label":
            yield from _flat(value, name)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each setting below ``path`` with its value, which is not a mapping."""
    name = path.rpartition(".")[2]
    if name in DERIVED:
        return
    if isinstance(value, Mapping):
        for inner, inner_value in value.items():
            yield from _flat(inner_value, f"{path}.{inner}" if path else inner)
    else:
        yield path, [" → ".join(order) for order in value] if name == ORDERS else _without_derived(value)


def _without_derived(value: Any) -> Any:
    """Return a value without what is derived; what has one part left is that part."""
    if isinstance(value, list):
        return [_without_derived(item) for item in value]
    if isinstance(value, Mapping):
        rest = {name: _without_derived(item) for name, item in value.items() if name not in DERIVED}
        return next(iter(rest.values())) if len(rest) == 1 else rest
    return value
