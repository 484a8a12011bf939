"""Packages of somebody else's as an installer leaves them: modules, and a ``dist-info`` with entry points."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from adapter_workbench.experiments.terminal.registries import extendable
from adapter_workbench.workbench.settings import plugins

CACHES = ("plugins", "_plugins", "_usable")  # of a registry, as long as a process lasts


def install(
    folder: Path, name: str, modules: Mapping[str, str], entries: Mapping[str, Mapping[str, str]], version: str = "1.0"
) -> None:
    """Install a distribution.

    Args:
        folder: where installed packages are found.
        name: the distribution's.
        modules: path in the folder → text.
        entries: last part of the group → name → value.
        version: the distribution's.
    """
    for path, text in modules.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = [
        line
        for group, points in entries.items()
        for line in (f"[adapter_workbench.{group}]", *(f"{point} = {value}" for point, value in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    tops = {path.partition("/")[0].removesuffix(".py") for path in modules}
    (info / "top_level.txt").write_text("\n".join(sorted(tops)), encoding="utf-8")


def begin_anew(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let what is installed in ``folder`` be found, and forget what was found before, as a new process does."""
    if str(folder) not in sys.path:
        monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    forget(folder)
    for registry in extendable():
        for cache in CACHES:
            monkeypatch.setitem(registry.__dict__, cache, None)  # the test's end takes away what is found meanwhile
            del registry.__dict__[cache]


def forget(folder: Path) -> None:
    """Forget the modules that lie in ``folder``, and what is known of their code."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    for name in [name for name, file in files.items() if file and Path(file).is_relative_to(folder)]:
        del sys.modules[name]
    plugins._digest_of.cache_clear()
    plugins.code_behind.cache_clear()
