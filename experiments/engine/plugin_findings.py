"""Findings about what installed distributions add to the registries: what works, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.finding import Finding
from adapter_workbench.tasks.sources.python import GROUP as ROWS
from adapter_workbench.workbench.errors import PluginError, suggest
from adapter_workbench.workbench.settings.plugins import groups, plugins_of

if TYPE_CHECKING:
    from adapter_workbench.workbench.settings.plugins import Plugin
    from adapter_workbench.workbench.settings.registry import Modules

REMEDY = "mend that package or uninstall it; its other entries work"


def plugin_findings(registries: Sequence[Modules[Any]]) -> Iterator[Finding]:
    """Yield a finding for each entry of an installed distribution, and for each group that no registry reads."""
    for registry in registries:
        yield from map(_finding, registry.plugins)
    yield from map(_finding, plugins_of(ROWS, "rows", object, ()))
    known = {ROWS, *(registry.group for registry in registries)}
    for group, points in groups().items():
        if group not in known:
            names = ", ".join(point.name for point in points)
            detail = f"nothing reads this group of entry points ({names})"
            yield Finding(group, False, False, detail, suggest(group, known).removesuffix("."))


def _finding(plugin: Plugin) -> Finding:
    name = f"{plugin.noun} {plugin.name}"
    try:
        plugin.load()
    except PluginError as error:
        return Finding(name, False, False, error.what, REMEDY)
    return Finding(name, True, False, plugin.code)
