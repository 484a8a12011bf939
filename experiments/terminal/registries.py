"""Registries as a person meets them: a command that lists the names, and names that a shell completes.

A registry is given by its module and its name there, and imported when it is asked for: some take seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import typer

from experiments.terminal.output import Json, listing, stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench.settings.registry import Documents, Modules

EXTENDABLE = {  # registries that installed distributions add entries to: the module of each, and its name there
    "experiments.arrivals": "ARRIVALS",
    "experiments.cli": "COMMANDS",
    "experiments.repairs": "REPAIRS",
    "experiments.scenarios": "SCENARIOS",
    "experiments.strategies": "STRATEGIES",
    "experiments.studies": "STUDIES",
    "experiments.ways": "WAYS",
    "fusion.methods": "COMPOSITIONS",
    "fusion.ranking": "RANKINGS",
    "fusion.routing.routers": "ROUTERS",
    "tasks.problems.conventions": "CONVENTIONS",
    "tasks.problems.skills": "SKILLS",
    "tasks.sources": "SOURCES",
    "workbench.methods.kinds": "KINDS",
    "workbench.methods.libraries": "LIBRARIES",
    "workbench.methods.methods": "METHODS",
    "workbench.probes": "PROBES",
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
