"""Folder registries: a file's name is the registered name, and a file is read only when it is asked for."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from workbench.errors import UnknownNameError

Entry = TypeVar("Entry")


class Modules(Generic[Entry]):
    """The modules and packages in one package, each offering one object under the same attribute.

    ``o_lora.py`` is registered as ``o-lora``. Installed distributions add entries through the entry-point
    group ``adapter_workbench.<package>``, whose value names the object (``package.module:OBJECT``).
    """

    def __init__(self, noun: str, package: str, attribute: str) -> None:
        """Register the modules of ``package``; nothing is imported yet."""
        self.noun, self.package, self.attribute = noun, package, attribute
        self.group = f"adapter_workbench.{package.rpartition('.')[2]}"

    @cached_property
    def _files(self) -> dict[str, Path]:
        spec = importlib.util.find_spec(self.package)
        folders = [Path(location) for location in (spec.submodule_search_locations or [])] if spec else []
        files = {path.stem: path for folder in folders for path in sorted(folder.glob("*.py")) if path.stem[0] != "_"}
        rooms = {path.parent.name: path for folder in folders for path in sorted(folder.glob("[!_]*/__init__.py"))}
        return {name.replace("_", "-"): path for name, path in {**files, **rooms}.items()}

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted({*self._files, *self._plugins})

    def require(self, name: object, where: str | None = None) -> str:
        """Return ``name``, where an entry is called so; nothing is imported.

        Raises:
            UnknownNameError: no such entry; the message names ``where`` and the nearest entries. What a file holds in
                a name's place (a number, a list, nothing) is no entry either.
        """
        if isinstance(name, str) and (name in self._files or name in self._plugins):
            return name
        raise UnknownNameError(self.noun, name, self.names(), where)

    def get(self, name: str, where: str | None = None) -> Entry:
        """Import and return the entry called ``name``; raises as :meth:`require`."""
        if self.require(name, where) in self._files:
            module = importlib.import_module(f"{self.package}.{name.replace('-', '_')}")
            return cast("Entry", getattr(module, self.attribute))
        return cast("Entry", self._plugins[name].load())

    def describe(self, name: str) -> str:
        """Return the first line of the entry's docstring less its own name; the file is parsed, not imported."""
        if name not in self._files:
            return (self.get(name).__doc__ or "").partition("\n")[0]
        tree = ast.parse(self._files[name].read_text(encoding="utf-8"))
        return (ast.get_docstring(tree) or "").partition("\n")[0].removeprefix(f"{name}: ")


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
            raise UnknownNameError(self.noun, name, self.names())
        return self._files[name]

    def describe(self, name: str) -> str:
        """Return what the file called ``name`` says of itself under ``description``; raises as :meth:`path`."""
        from workbench.document import read  # YAML takes a while, which `workbench --help` need not wait for

        return str(read(self.path(name)).data["description"])
