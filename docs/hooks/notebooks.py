"""The notebooks as pages, with the outputs that they were committed with; nothing is executed here."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter

LINK = re.compile(r"(\]\([^)]+)\.ipynb(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page beside each notebook, and its pictures."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        path = PurePosixPath(notebook.src_uri)
        exported = {"output_files_dir": f"{path.stem}-pictures"}
        page, resources = MarkdownExporter().from_filename(str(notebook.abs_src_path), resources=exported)
        files.append(File.generated(config, str(path.with_suffix(".md")), content=page))
        for name, picture in resources["outputs"].items():
            files.append(File.generated(config, str(path.parent / name), content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links to notebooks leading to their pages, where the notebook can be downloaded."""
    notebook = page.file.src_uri.replace(".md", ".ipynb")
    download = (
        f"\n\n[Download this notebook]({PurePosixPath(notebook).name})\n" if files.get_file_from_path(notebook) else ""
    )
    return LINK.sub(r"\1.md", markdown) + download
