"""Registries as a person meets them: a command that lists the names, and names that a shell completes.

A registry is given by its module and its name there, and imported when it is asked for: some take seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import typer

from adapter_workbench.experiments.terminal.output import Json, listing, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.workbench.settings.registry import Documents, Modules

EXTENDABLE = {  # registries that installed distributions add entries to: the module of each, and its name there
    "adapter_workbench.experiments.arrivals": "ARRIVALS",
    "adapter_workbench.experiments.cli": "COMMANDS",
    "adapter_workbench.experiments.repairs": "REPAIRS",
    "adapter_workbench.experiments.scenarios": "SCENARIOS",
    "adapter_workbench.experiments.strategies": "STRATEGIES",
    "adapter_workbench.experiments.studies": "STUDIES",
    "adapter_workbench.experiments.ways": "WAYS",
    "adapter_workbench.fusion.methods": "COMPOSITIONS",
    "adapter_workbench.fusion.ranking": "RANKINGS",
    "adapter_workbench.fusion.routing.routers": "ROUTERS",
    "adapter_workbench.tasks.problems.conventions": "CONVENTIONS",
    "adapter_workbench.tasks.problems.skills": "SKILLS",
    "adapter_workbench.tasks.sources": "SOURCES",
    "adapter_workbench.workbench.methods.kinds": "KINDS",
    "adapter_workbench.workbench.methods.libraries": "LIBRARIES",
    "adapter_workbench.workbench.methods.methods": "METHODS",
    "adapter_workbench.workbench.probes": "PROBES",
}


def extendable() -> list[Modules[object]]:
    """Return the registries that installed distributions add entries to."""
    return [getattr(import_module(module), name) for module, name in EXTENDABLE.items()]


def registry(module: str, name: str) -> Modules[object] | Documents:
    """Return the registry that is called ``name`` in ``module``."""
    registered: Modules[object] | Documents = getattr(import_module(module), name)
    return registered


def list_command(
    module: str,
    name: str,
    help_text: str,
    list_help: str,
    footnote: str = "",
    further: Sequence[tuple[str, str]] = (),
) -> typer.Typer:
    """Return a command with the subcommand ``list``, which prints a registry.

    Args:
        module: of the registry.
        name: of the registry in there.
        help_text: of the command.
        list_help: help of ``list``.
        footnote: stands below the table; scripts do not get it.
        further: (module, name) of registries that are printed below it.
    """
    app = typer.Typer(no_args_is_help=True, add_completion=False)

    @app.callback(help=help_text)
    def group() -> None: ...

    @app.command("list", help=list_help)
    def list_(as_json: Json = False) -> None:
        registries = [registry(*at) for at in ((module, name), *further)]
        entries = ((entry, of.describe(entry)) for of in registries for entry in of.names())
        listing([{"name": entry, "description": description} for entry, description in entries], as_json)
        if footnote and not as_json:
            stdout.print(f"\n{footnote}")

    return app
