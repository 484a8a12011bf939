"""How numbers came about: the block that every page ends with, and the tags of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.presentation import Definitions

if TYPE_CHECKING:
    from collections.abc import Mapping


def rerun_block(provenance: Mapping[str, str]) -> Definitions:
    """Return the block with the command that gives the same numbers again."""
    entries = [(name, value) for name, value in provenance.items() if name != "command"]
    return Definitions("Once more", entries, command=provenance.get("command", ""))


def provenance_tags(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the tags; MLflow's UI shows the command as the run's source."""
    tags = {name: provenance[name] for name in ("git", "command", "plugins") if name in provenance}
    if "command" in tags:
        tags |= {"mlflow.source.name": tags["command"], "mlflow.source.type": "LOCAL"}
    return tags
