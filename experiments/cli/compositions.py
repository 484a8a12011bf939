"""List the composition methods: how `workbench fuse` can make one adapter from several."""

from __future__ import annotations

from adapter_workbench.experiments.terminal.registries import list_command

app = list_command("adapter_workbench.fusion.methods", "COMPOSITIONS", __doc__, "List the composition methods by name.")
