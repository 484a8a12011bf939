"""List the scenarios: what is known when a task is answered, and how the rows of a task arrive."""

from __future__ import annotations

from experiments.terminal.registries import list_command

app = list_command(
    "experiments.scenarios",
    "SCENARIOS",
    __doc__,
    "List the scenarios, one line each; a recipe names one under 'scenario'.",
    "growing and drifting are for recipes with `updates`, the others for streams of several tasks.",
    [("experiments.arrivals", "ARRIVALS")],
)
