"""List the probes: measurements of a model after a stage of a stream."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command(
    "adapter_workbench.workbench.probes",
    "PROBES",
    __doc__,
    "List the probes, one line each; a recipe names them under 'probes'.",
)
