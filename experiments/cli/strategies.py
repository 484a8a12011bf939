"""List the strategies: ways to learn a stream of tasks."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.experiments.strategies", "STRATEGIES", __doc__, "List the strategies, one line each."
)
