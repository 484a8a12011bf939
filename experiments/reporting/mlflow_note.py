"""What the MLflow runs of every kind of experiment share: pictures and links in their Markdown, and circumstances."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from workbench.markdown import escape
from workbench.mlflow.run_record import EXPERIMENT_ID, RUN_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = "report"  # of a run's artifacts


def circumstances(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that say how numbers came about; the UI shows the command as the run's source."""
    tags = {name: provenance[name] for name in ("git", "command") if name in provenance}
    if "command" in tags:
        tags |= {"mlflow.source.name": tags["command"], "mlflow.source.type": "LOCAL"}
    return tags


def exhibits(figures: Iterable[str]) -> list[str]:
    """Return the lines of a description that link the report's page and show its ``figures``, given by file name."""
    page = f"#/experiments/{EXPERIMENT_ID}/runs/{RUN_ID}/artifacts/{FOLDER}/report.html"
    shown = [f"![{escape(name)}](get-artifact?path={FOLDER}/{quote(name)}&run_uuid={RUN_ID})" for name in figures]
    lines = [f"[The whole report]({page}) is among the artifacts, with its figures and all numbers as JSON.", *shown]
    return [part for line in lines for part in ("", line)]
