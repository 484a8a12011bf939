"""What a shell completes: names, found without loading a model or a table; what cannot be found is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from adapter_workbench.experiments.terminal.registries import registry

Names = Callable[[typer.Context], Iterable[str]]
Complete = Callable[[typer.Context, str], list[str]]


def completes(names: Names, listed: bool = False) -> Complete:
    """Return a callback for typer's ``autocompletion``: a shell that is completing never sees an error.

    Args:
        names: what there is, by the options given so far.
        listed: several names may stand there, with commas; the last one is completed.
    """

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",") if listed else ("", "", incomplete)
        try:
            return [f"{before}{comma}{name}" for name in names(ctx) if name.startswith(begun)]
        except Exception:  # a person is typing: whatever is wrong is told by the command itself
            return []

    return complete


def _tasks(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.tasks.loading import registry

    return registry.names(registry.user_folders(ctx.params.get("tasks")))


def _entries(module: str, name: str) -> Names:
    return lambda ctx: registry(module, name).names()


def _recipes(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.experiments.engine.recipes import RECIPES

    return [*RECIPES.names(), *(path.name for path in sorted(Path().glob("*.y*ml")))]


def _adapters(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.experiments.workspace import find_workspace

    return find_workspace(ctx.params.get("workspace")).adapters.ids()


def _named(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.experiments.workspace import find_workspace
    from adapter_workbench.workbench.adapters.name_resolution import readable

    store = find_workspace(ctx.params.get("workspace")).adapters
    return [*sorted({manifest.task.name for manifest in readable(store)}), *store.ids()]


def _registered(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.experiments.workspace import find_workspace
    from adapter_workbench.workbench.adapters.name_resolution import readable, registered_name

    manifests = readable(find_workspace(ctx.params.get("workspace")).adapters)
    return sorted({name for manifest in manifests for name in (manifest.task.name, registered_name(manifest))})


def _experiments(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.experiments.workspace import find_workspace

    return find_workspace(ctx.params.get("workspace")).records.names()


def _formats(ctx: typer.Context) -> Iterable[str]:
    from adapter_workbench.tasks.reading.formats import FORMATS

    return FORMATS


def folder(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the folders that a path begins; hub ids are not to be known."""
    try:
        begun = Path(incomplete).expanduser()
        above = begun if incomplete.endswith("/") else begun.parent
        names = sorted(entry.name for entry in above.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except (OSError, RuntimeError, ValueError):
        return []
    before = incomplete.rpartition("/")[0] + "/" * ("/" in incomplete)
    return [f"{before}{name}/" for name in names if name.startswith(incomplete.rpartition("/")[2])]


task, recipe, experiment = completes(_tasks), completes(_recipes), completes(_experiments)
tasks_listed = completes(_tasks, listed=True)
promoted = completes(lambda ctx: [*_registered(ctx), *_adapters(ctx)])
registered, gated = completes(_registered), completes(lambda ctx: [*_named(ctx), *_experiments(ctx)])
adapter, adapters, adapter_id = completes(_named), completes(_named, listed=True), completes(_adapters)
method = completes(_entries("adapter_workbench.workbench.methods.methods", "METHODS"))
methods = completes(_entries("adapter_workbench.workbench.methods.methods", "METHODS"), listed=True)
repairs = completes(_entries("adapter_workbench.experiments.repairs", "REPAIRS"), listed=True)
probes = completes(_entries("adapter_workbench.workbench.probes", "PROBES"), listed=True)
composition = completes(_entries("adapter_workbench.fusion.methods", "COMPOSITIONS"))
way = completes(_entries("adapter_workbench.experiments.ways", "WAYS"))
kind = completes(_entries("adapter_workbench.workbench.methods.kinds", "KINDS"))
file_format = completes(_formats)
backbone = completes(_entries("adapter_workbench.workbench.backbone.names", "BACKBONES"))
