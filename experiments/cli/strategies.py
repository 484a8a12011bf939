"""List the strategies: ways to learn a stream of tasks."""

from __future__ import annotations

from experiments.terminal.registries import list_command

app = list_command("experiments.strategies", "STRATEGIES", __doc__, "List the strategies, one line each.")
