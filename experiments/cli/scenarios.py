"""List the scenarios: what is known when a task is answered, and how the rows of a task arrive."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.experiments.scenarios",
    "SCENARIOS",
    __doc__,
    "List the scenarios, one line each; a recipe names one under 'scenario'.",
    "growing and drifting are for recipes with `updates`, the others for streams of several tasks.",
    [("adapter_workbench.experiments.arrivals", "ARRIVALS")],
)
