"""What stands at the top of the repository, as pages; links from the documents to recipes lead to their page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
RECIPE = re.compile(r"\]\(\.\./((?:\.\./)*)experiments/recipes/([\w.-]+)\.yaml\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    top = Path(config.config_file_path).parent
    for name, page in PAGES.items():
        content = (top / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, **about: Any) -> str:
    """Return the page with its links to shipped recipes leading to the reference."""
    return RECIPE.sub(r"](\1reference/recipes.md#\2)", markdown)
