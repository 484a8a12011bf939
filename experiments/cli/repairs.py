"""List the repairs: ways to bring back what shared weights forgot."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.experiments.repairs",
    "REPAIRS",
    __doc__,
    "List the repairs, one line each; `workbench repair` tries them.",
)
