"""List the ways to update an adapter when its task has a new version."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.experiments.ways", "WAYS", __doc__, "List the ways to update an adapter, one line each."
)
