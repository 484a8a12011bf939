"""The reference of the command line, as typer itself writes it."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from adapter_workbench.experiments.cli import application


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    bench = application()
    with bench.make_context("workbench", [], resilient_parsing=True) as context:
        page = get_docs_for_click(obj=bench, ctx=context, title="Command line")
    files.append(File.generated(config, "reference/command-line.md", content=page))
    return files
