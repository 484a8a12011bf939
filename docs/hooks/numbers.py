"""No number stands in these documents that its file does not give: a build with another one fails.

``docs/numbers/PAGE.py`` says where the measured numbers of a page come from. It has

- ``said()``: yields pieces of the page, tables and sentences, written anew from the files in ``docs/results``;
- ``STATED``: pieces with numbers that nobody measured: settings, formulas, what a paper reports.

Every piece has to stand in the page, and a decimal number or a percentage that stands in none of them is one that
nothing vouches for. What is set as a program is left out.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

SOURCES = Path(__file__).parents[1] / "numbers"
PROGRAM = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.:/-])[+−±]?(?:\d[\d,]*\.\d+|\d+(?= %))(?![\d.]*\.?[\d]*[.:]\d)(?![\w/-])")
ARXIV = re.compile(r"\d{4}\.\d{4,5}")
LEVEL = re.compile(r"95 % (?=\w* ?intervals?)")  # of every interval here


def on_page_markdown(markdown: str, page: Page, **about: Any) -> str:
    """Stop the build where a page says something else than its files."""
    name = page.file.src_uri.removesuffix(".md")
    if page.file.generated_by:
        return markdown
    if wrong := problems(markdown, name):
        raise PluginError(f"{page.file.src_uri}: {len(wrong)} pieces that its files do not give\n" + "\n".join(wrong))
    return markdown


def problems(text: str, name: str, folder: Path = SOURCES) -> list[str]:
    """Return what a page called ``name`` says that its files do not, one line each; nothing where it has no numbers."""
    path = folder / f"{name.replace('/', '-')}.py"
    if not path.exists():
        return [f"{number}: there is no {path.name} in docs/numbers" for number in measured(flat(text))]
    source = load(path)
    said, stated = [flat(piece) for piece in source.said()], [flat(piece) for piece in source.STATED]
    page = flat(text)
    missing = [
        f"its files say: {piece}\n   nearest here: {nearest(piece, page)}" for piece in said if piece not in page
    ]
    missing += [f"STATED, but not in the page: {piece}" for piece in stated if piece not in page]
    rest = flat(PROGRAM.sub(" ", text))
    for piece in sorted([*said, *stated], key=len, reverse=True):
        rest = rest.replace(piece, " … ")
    return missing + [f"nothing vouches for {number}" for number in measured(rest)]


def measured(text: str) -> Iterable[str]:
    """Yield the numbers that look measured, each with what stands around it."""
    text = LEVEL.sub("", text)
    for match in NUMBER.finditer(text):
        if not ARXIV.fullmatch(match.group()):
            yield f"{match.group()} in …{text[max(0, match.start() - 60) : match.end() + 30]}…"


def flat(text: str) -> str:
    """Return a text without its line breaks."""
    return " ".join(text.split())


def nearest(piece: str, page: str) -> str:
    """Return the part of a page that is most like a piece."""
    block = difflib.SequenceMatcher(None, page, piece, autojunk=False).find_longest_match()
    start = max(0, block.a - block.b)
    return page[start : start + len(piece) + 10]


def load(path: Path) -> Any:
    """Return the module that says where the numbers of a page come from."""
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # they share what reads the files
    spec = importlib.util.spec_from_file_location(f"numbers_of_{path.stem.replace('-', '_')}", path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
