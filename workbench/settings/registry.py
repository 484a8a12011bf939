"""Folder registries: a file's name is the registered name, and a file is read only when it is asked for."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from adapter_workbench.workbench.errors import PluginError, UnknownNameError
from adapter_workbench.workbench.errors.printable import printable
from adapter_workbench.workbench.settings.plugins import PREFIX, Plugin, PluginWarning, plugins_of

if TYPE_CHECKING:
    from pydantic import BaseModel

Entry = TypeVar("Entry")
SHORTEST, MOST_FOUND = 4, 5  # letters of a word that is looked for in descriptions; entries that a message names
LISTED = {  # what entries are called → the command that lists them
    "backbone": "workbench backbones list",
    "command": "workbench --help",
    "composition method": "workbench compositions list",
    "method": "workbench methods list",
    "probe": "workbench probes list",
    "recipe": "workbench recipes list",
    "repair": "workbench repairs list",
    "router": "workbench routers list",
    "scenario": "workbench scenarios list",
    "strategy": "workbench strategies list",
    "way": "workbench ways list",
}


class Modules(Generic[Entry]):
    """The modules and packages in one package, each offering one object under the same attribute.

    ``o_lora.py`` is registered as ``o-lora``, and ``continue_.py``, whose name would be a keyword, as ``continue``.
    Installed distributions add entries through the entry-point
    group ``adapter_workbench.<package>``, whose value names the object (``package.module:OBJECT``). They replace none,
    and those that cannot be used are skipped.
    """

    def __init__(
        self,
        noun: str,
        package: str,
        attribute: str,
        fulfils: Any = object,
        group: str = "",
        besides: Collection[str] = (),
    ) -> None:
        """Register the modules of ``package``; nothing is imported yet.

        Args:
            noun: what an entry is called in messages.
            package: the package's name.
            attribute: what an entry is called in its module.
            fulfils: the class or protocol of the entries, which those of installed distributions are compared with.
            group: the last part of the entry-point group, where it is not the package's.
            besides: modules and packages in ``package`` that hold what its entries share, and are none themselves.
        """
        self.noun, self.package, self.attribute, self.fulfils = noun, package, attribute, fulfils
        self.besides = frozenset(besides)
        self.group = f"{PREFIX}{group or package.rpartition('.')[2]}"

    @cached_property
    def _files(self) -> dict[str, Path]:
        spec = importlib.util.find_spec(self.package)
        folders = [Path(location) for location in (spec.submodule_search_locations or [])] if spec else []
        files = {path.stem: path for folder in folders for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"}
        rooms = {path.parent.name: path for folder in folders for path in sorted(folder.glob("[!_]*/__init__.py"))}
        entries = {**files, **rooms}
        return {name.rstrip("_").replace("_", "-"): path for name, path in entries.items() if name not in self.besides}

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """What installed distributions add, usable or not, by name; nothing is imported."""
        return plugins_of(self.group, self.noun, self.fulfils, self._files)

    @cached_property
    def _plugins(self) -> dict[str, Plugin]:
        return {plugin.name: plugin for plugin in self.plugins if not plugin.taken}

    @cached_property
    def _usable(self) -> list[str]:
        """The names of the plugins that can be used; each other plugin is reported by one warning in a process."""
        usable = []
        for plugin in self.plugins:
            try:
                plugin.load()
                usable.append(plugin.name)
            except PluginError as error:
                warnings.warn(f"Skipped: {printable(error.what)}", PluginWarning, stacklevel=2)
        return usable

    def names(self) -> list[str]:
        """Return the names of all entries that can be used, sorted; only what others installed is imported for it."""
        return sorted({*self._files, *self._usable})

    def require(self, name: object, where: str | None = None) -> str:
        """Return ``name``, where an entry is called so; only one of an installed distribution is imported.

        Raises:
            UnknownNameError: no such entry; the message names ``where`` and the nearest entries. What a file holds in
                a name's place (a number, a list, nothing) is not an entry either.
            PluginError: an installed distribution adds the entry, and it cannot be used.
        """
        if isinstance(name, str) and name in self._files:
            return name
        if isinstance(name, str) and name in self._plugins:
            try:
                self._plugins[name].load()
            except PluginError as error:
                raise PluginError(error.what, where=where, hint=error.hint) from None
            return name
        known, command = {*self._files, *self._plugins}, LISTED.get(self.noun, "")
        raise UnknownNameError(self.noun, name, known, where, also=self._described(name), command=command)

    def _described(self, word: object) -> str:
        """Return which of our own entries are described with a word that is no name, in a sentence; empty for none."""
        if not isinstance(word, str) or len(word) < SHORTEST:
            return ""
        entries = sorted(name for name in self._files if word.lower() in self.describe(name).lower())
        more = f" and {len(entries) - MOST_FOUND} more" if len(entries) > MOST_FOUND else ""
        return f"The word describes {', '.join(entries[:MOST_FOUND])}{more}." if entries else ""

    def get(self, name: str, where: str | None = None) -> Entry:
        """Import and return the entry called ``name``; raises as :meth:`require`."""
        if self.require(name, where) in self._files:
            return cast("Entry", getattr(importlib.import_module(self.module_name(name)), self.attribute))
        return cast("Entry", self._plugins[name].load())

    def module_name(self, name: str) -> str:
        """Return the module of our own entry called ``name``; nothing is imported."""
        path = self._files[name]
        return f"{self.package}.{path.parent.name if path.stem == '__init__' else path.stem}"

    def identity(self, name: str) -> str:
        """Return what stands in keys for the entry called ``name``.

        Of our own entries it is the name: where one comes to mean something else, it says so (``revision``). Entries of
        installed distributions change without our doing. The distribution, its version and a digest of its modules
        follow.
        """
        return " ".join([name, *self.code(name).values()])

    def code(self, name: str) -> dict[str, str]:
        """Return the code behind an entry of an installed distribution, by the entry's name; nothing for our own."""
        plugin = self._plugins.get(name)
        return {name: plugin.code} if plugin else {}

    def describe(self, name: str) -> str:
        """Return the first line of the entry's docstring less its own name; only a plugin is imported, not a file."""
        if name not in self._files:
            return _description_of(self.get(name), name, self._plugins[name].point.module)
        tree = ast.parse(self._files[name].read_text(encoding="utf-8"))
        return (ast.get_docstring(tree) or "").partition("\n")[0].removeprefix(f"{name}: ")


def _description_of(entry: object, name: str, module: str) -> str:
    """Return the first line of the docstring of a plugin's module, or of its class."""
    line = (sys.modules[module].__doc__ or "").partition("\n")[0]
    own = entry if isinstance(entry, type) else type(entry)
    if line.startswith(f"{name}: ") or own.__module__ != module:
        return line.removeprefix(f"{name}: ")
    return (own.__doc__ or "").partition("\n")[0]


@dataclass(frozen=True)
class NameIn:
    """Marks a setting that names an entry of a registry: ``router: Annotated[str | None, NameIn(ROUTERS)]``."""

    registry: Modules[Any]


def named_code(settings: type[BaseModel], values: Mapping[str, Any]) -> dict[str, str]:
    """Return the code of the entries of installed distributions that the ``values`` of ``settings`` name.

    Only those of fields that :class:`NameIn` marks, by the field; nothing where all entries are our own.
    """
    digests = {}
    for field, about in settings.model_fields.items():
        name = values.get(field)
        for mark in about.metadata:
            if isinstance(mark, NameIn) and isinstance(name, str) and (code := mark.registry.code(name)):
                digests[field] = code[name]
    return digests


class Documents:
    """The YAML files of one or more folders; a later folder may add names but not replace one."""

    def __init__(self, noun: str, folders: Sequence[Path]) -> None:
        """Register every ``*.yaml`` below ``folders``; nothing is read yet."""
        self.noun, self.folders = noun, tuple(folders)

    @cached_property
    def _files(self) -> dict[str, Path]:
        files: dict[str, Path] = {}
        for folder in self.folders:
            for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
                files.setdefault(path.stem, path)
        return files

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._files)

    def path(self, name: str) -> Path:
        """Return the file registered as ``name``.

        Raises:
            UnknownNameError: no such file; the message names the nearest ones.
        """
        if not isinstance(name, str) or name not in self._files:
            raise UnknownNameError(self.noun, name, self.names(), command=LISTED.get(self.noun, ""))
        return self._files[name]

    def describe(self, name: str) -> str:
        """Return what the file called ``name`` says of itself under ``description``; raises as :meth:`path`."""
        from adapter_workbench.workbench.settings.document import (
            read,  # YAML takes a while, which `workbench --help` need not wait for
        )

        return str(read(self.path(name)).data["description"])


def last_revision(newest: int, affects: Mapping[int, Callable[..., bool]], *given: Any) -> int:
    """Return the last revision that changed what an entry gives; 1 where none did, so that keys of before stay.

    Args:
        newest: of the entry.
        affects: a revision → ``given`` → whether it changed the result. One that is not named changed all results.
        given: what the result depends on: settings, and what they are applied to.
    """
    for revision in range(newest, 1, -1):
        if revision not in affects or affects[revision](*given):
            return revision
    return 1
