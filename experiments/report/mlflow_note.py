"""What the MLflow runs of every kind of experiment share: Markdown, pictures and links in it, and circumstances."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from workbench.printable import printable
from workbench.tracking import EXPERIMENT_ID, RUN_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = "report"  # of a run's artifacts
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
SIGNS = str.maketrans(ENTITIES | {sign: f"\\{sign}" for sign in "\\|*_`[~"})


def escape(text: str) -> str:
    """Return text of any origin as one line that Markdown shows as it stands, in a paragraph or in a table.

    Showdown, which MLflow's UI uses with the habits of GitHub, takes a backslash before most signs only. It makes links
    of addresses and ``@names``, and pictures of ``:words:``.
    """
    line = printable(text, None).strip().translate(SIGNS)
    line = re.sub(r":(?=\S)", r"\\:", line)
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line)
    return re.sub(r"^(\d*)(?=[#+=.)-])", r"\1\\", line)  # what makes a heading or a list, at the beginning only


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
