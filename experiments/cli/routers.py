"""List the routers: ways to choose the adapter that answers a text whose task is not known."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.fusion.routing.routers",
    "ROUTERS",
    __doc__,
    "List the routers, one line each; `workbench predict router:NAME` uses one.",
)
