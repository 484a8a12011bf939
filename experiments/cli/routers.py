"""List the routers: ways to choose the adapter that answers a text whose task is not known."""

from __future__ import annotations

from experiments.terminal.registries import list_command

app = list_command(
    "fusion.routing.routers",
    "ROUTERS",
    __doc__,
    "List the routers, one line each; `workbench predict router:NAME` uses one.",
)
