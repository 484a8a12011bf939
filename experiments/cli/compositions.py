"""List the composition methods: how `workbench fuse` can make one adapter from several."""

from __future__ import annotations

from experiments.terminal.registries import list_command

app = list_command("fusion.methods", "COMPOSITIONS", __doc__, "List the composition methods by name.")
