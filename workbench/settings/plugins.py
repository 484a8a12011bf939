"""Entries that installed distributions add to the registries: where each comes from, what is wrong with it, its code.

A distribution that is being worked on (``pip install -e``) keeps its version while its code changes. So its entries
have a digest of their modules in every key, beside the version.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol

from adapter_workbench.workbench.errors import PluginError, reason
from adapter_workbench.workbench.files.digest import below, digest

if TYPE_CHECKING:
    from importlib.metadata import Distribution

PREFIX = "adapter_workbench."  # of the entry-point groups; a registry's own name follows
OWN = "adapter_workbench"  # the package of the entries that are no plugins
HINT = "Correct or uninstall that package; `workbench doctor` lists what installed packages add."
MODULES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)  # what the names of modules end with
DIGITS = 16  # of a digest: nobody makes two packages that agree in so many


class PluginWarning(UserWarning):
    """An entry of an installed distribution was skipped."""


@dataclass(frozen=True)
class Plugin:
    """An entry that an installed distribution adds to a registry."""

    point: EntryPoint  # the entry point
    noun: str  # what the registry calls its entries
    fulfils: Any = object  # the class or protocol that the entry has to be of; ``object`` for anything
    taken: str = ""  # whose entry has the name already; empty where none has

    @property
    def name(self) -> str:
        """What the entry is called."""
        return self.point.name

    @property
    def distribution(self) -> str:
        """Name and version of the distribution."""
        return _distribution_name(self.point.dist)

    @cached_property
    def code(self) -> str:
        """Name and version of the distribution, and a digest of its modules: what stands in keys."""
        return f"{self.distribution} (sha256:{_digest_of(self.point.module, _tops(self.point))})"

    def load(self) -> Any:
        """Return the entry.

        Raises:
            PluginError: it cannot be imported, or is not what the registry holds; the message names the distribution.
        """
        entry, why = self._entry_or_complaint
        if why:
            message = f"{self.noun} {self.name!r} of {self.distribution} cannot be used: {why}"
            raise PluginError(message, hint=HINT)
        return entry

    @cached_property
    def _entry_or_complaint(self) -> tuple[Any, str]:
        """The entry, and what is wrong with it; nothing is imported twice."""
        if self.taken:
            return None, f"{self.taken} has an entry of that name"
        if not EntryPoint.pattern.match(self.point.value):
            return None, f"{self.point.value!r} does not name an object, as package.module:OBJECT does"
        try:
            entry = self.point.load()
        except (Exception, SystemExit) as error:  # whatever somebody's module does
            return None, f"{self.point.value}: {reason(error)}"
        return entry, _complaint(entry, self.fulfils, self.point.value)


def plugins_of(group: str, noun: str, fulfils: Any, taken: Container[str]) -> tuple[Plugin, ...]:
    """Return what installed distributions add to a registry, by name; nothing is imported.

    Args:
        group: the entry-point group.
        noun: what the registry calls its entries.
        fulfils: the class or protocol of its entries.
        taken: names of the registry's own entries, which nobody replaces.
    """
    first: dict[str, Plugin] = {}
    plugins = []
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, _distribution_name(point.dist))):
        owner = "the workbench itself" if point.name in taken else ""
        if point.name in first:
            owner = first[point.name].distribution
        plugins.append(Plugin(point, noun, fulfils, owner))
        first.setdefault(point.name, plugins[-1])
    return tuple(plugins)


def imported_code() -> list[str]:
    """Return the code of every distribution with entries of which this process has imported a module, sorted."""
    return sorted({Plugin(point, "").code for point in _all_points() if point.module in sys.modules})


@cache
def code_behind(module: str) -> str:
    """Return the code of the distribution whose entries lie in the package of ``module``; empty where it adds none."""
    top = module.partition(".")[0]
    if top == OWN:
        return ""
    return next((Plugin(point, "").code for point in _all_points() if top in _tops(point)), "")


def groups() -> dict[str, list[EntryPoint]]:
    """Return the entry points of every group that begins as those of the registries do."""
    points_of: dict[str, list[EntryPoint]] = {}
    for point in _all_points():
        points_of.setdefault(point.group, []).append(point)
    return points_of


def _all_points() -> Iterator[EntryPoint]:
    points = entry_points()
    for group in sorted(points.groups):
        if group.startswith(PREFIX):
            yield from points.select(group=group)


def _distribution_name(distribution: Distribution | None) -> str:
    return f"{distribution.name} {distribution.version}" if distribution else "an installed package"


def _complaint(entry: object, fulfils: Any, value: str) -> str:
    """Return why an object cannot be an entry of a registry; empty where it can."""
    protocol_name = fulfils.__name__
    if fulfils is object:
        return ""
    if isinstance(entry, type):
        return f"{value} is a class; the entry has to be an object of it"
    settings = getattr(entry, "settings", None)
    if settings is not None and not (isinstance(settings, type) and hasattr(settings, "model_fields")):
        return (
            f"the settings of {value} are not a class that extends adapter_workbench.workbench.settings.base.Settings"
        )
    if Protocol not in fulfils.__bases__:
        return "" if isinstance(entry, fulfils) else f"{value} is of {type(entry).__name__}, not of {protocol_name}"
    if lacking := [name for name in _members(fulfils) if not hasattr(entry, name)]:
        return f"{value} is not a {protocol_name}: it lacks {', '.join(lacking)}"
    return ""


def _members(protocol: type) -> list[str]:
    """Return what a protocol asks for: attributes and methods, its bases' included."""
    asking = [base for base in protocol.__mro__ if base not in (object, Protocol, Generic)]
    names = (name for base in asking for name in (*vars(base).get("__annotations__", {}), *vars(base)))
    return sorted({name for name in names if not name.startswith("_")})


def _tops(point: EntryPoint) -> tuple[str, ...]:
    """Return the names of a distribution's outermost modules and packages, as far as it tells; the entry's own first.

    Setuptools writes them down, also where a folder is installed as it stands.
    """
    top_levels = (point.dist.read_text("top_level.txt") or "").split() if point.dist else []
    return tuple(dict.fromkeys([point.module.partition(".")[0], *top_levels]))


@cache
def _digest_of(module: str, tops: tuple[str, ...]) -> str:
    """Return a digest of all modules in packages, by their names: source and compiled ones, without byte code.

    A package that several distributions share (``google``) is none of theirs; of such a one ``module`` alone counts.
    """
    owned = [name for name in tops if len(_folders(name)) < 2] or [module]
    listing = [f"{name} {digest(path)}\n" for top in sorted(owned) for name, path in sorted(_modules(top))]
    return hashlib.sha256("".join(listing).encode()).hexdigest()[:DIGITS]


def _modules(name: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of a package or module, each with its path in there."""
    for folder in _folders(name):
        for entry in below(folder):
            path = Path(entry.path).relative_to(folder)
            hidden = any(folder_name.startswith(".") for folder_name in path.parts)
            if path.name.endswith(MODULES) and not hidden and entry.is_file():
                yield f"{name}/{path.as_posix()}", Path(entry.path)
    spec = _spec(name)
    if spec and not spec.submodule_search_locations and spec.origin and Path(spec.origin).is_file():
        yield name, Path(spec.origin)


def _folders(name: str) -> list[str]:
    spec = _spec(name)
    return [*(spec.submodule_search_locations or ())] if spec else []


def _spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except (ImportError, ValueError):
        return None
