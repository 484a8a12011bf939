"""List the backbones that work by name."""

from __future__ import annotations

from experiments.terminal.registries import list_command

app = list_command(
    "workbench.backbone_names",
    "BACKBONES",
    "List the backbones that work by name. A hub id or a local folder works wherever a name does.",
    "List the backbones, one line each.",
)
