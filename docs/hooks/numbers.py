"""No number stands in these documents that its file does not give: a build with another one fails.

``docs/numbers/PAGE.py`` says where the measured numbers of a page come from. It has

- ``pieces()``: the rows of tables and the sentences that the files in ``docs/results`` give, written anew from them;
- ``STATED``: pieces with other numbers: settings, formulas, what a paper reports, and what was measured but is kept in
  no file (a comment there says which).

Every piece has to stand in the page, and a decimal number or a percentage that stands in none of them is one that
nothing vouches for. Blocks of code are left out: they may hold pieces, and need not. README has its own source.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

SOURCES = Path(__file__).parents[1] / "numbers"
PROGRAM = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.:/-])[+−±]?(?:\d[\d,]*\.\d+|\d+(?= %))(?![\d.]*\.?[\d]*[.:]\d)(?![\w/-])")
ARXIV = re.compile(r"\d{4}\.\d{4,5}")
UNMEASURED = re.compile(r"95 % (?=\w* ?intervals?)|\b(?:Python|glibc|bitsandbytes) \d+\.\d+")  # levels and versions


def on_pre_build(config: MkDocsConfig) -> None:
    """Stop the build where README, which is no page, says something else than its files."""
    path = Path(config.config_file_path).parent / "README.md"
    stop("README.md", problems(path.read_text(encoding="utf-8"), path.stem))


def on_page_markdown(markdown: str, page: Page, **about: Any) -> str:
    """Stop the build where a page says something else than its files."""
    name = page.file.src_uri.removesuffix(".md")
    if page.file.generated_by:
        return markdown
    stop(page.file.src_uri, problems(markdown, name))
    return markdown


def stop(page: str, wrong: list[str]) -> None:
    """Raise a PluginError where there is something wrong with a page."""
    if wrong:
        raise PluginError(f"{page}: {len(wrong)} numbers or pieces that its files do not give\n" + "\n".join(wrong))


def problems(text: str, name: str, folder: Path = SOURCES) -> list[str]:
    """Return what a page called ``name`` says that its files do not, one line each; nothing where it has no numbers."""
    path = folder / f"{name}.py"
    rest = flat(PROGRAM.sub(" ", text))
    if not path.exists():
        return [f"{number}: there is no {name}.py in docs/numbers" for number in measured(rest)]
    source = load(path)
    given, stated = [flat(piece) for piece in source.pieces()], [flat(piece) for piece in source.STATED]
    page = flat(text)
    missing = [
        f"its files say: {piece}\n   nearest here: {nearest(piece, page)}" for piece in given if piece not in page
    ]
    missing += [f"STATED, but not in the page: {piece}" for piece in stated if piece not in page]
    for piece in sorted([*given, *stated], key=len, reverse=True):
        rest = rest.replace(piece, " … ")
    return missing + [f"nothing vouches for {number}" for number in measured(rest)]


def measured(text: str) -> Iterable[str]:
    """Yield the numbers that look measured, each with what stands around it."""
    text = UNMEASURED.sub("", text)
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
    """Return the module that says where the numbers of a page come from.

    They share the modules whose names begin with ``measured``. Their folder is not searched for modules: a page's
    module there has the name of a package.
    """
    for shared in sorted(SOURCES.glob("measured*.py")):
        if shared.stem not in sys.modules:
            execute(shared.stem, shared)
    return execute(f"numbers_of_{path.stem.replace('-', '_')}", path)


def execute(name: str, path: Path) -> Any:
    """Return the module in a file, known by a name."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no module")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
