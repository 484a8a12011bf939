"""The page of results: every file in docs/results, the command that made it, and the pages that speak of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

INTRODUCTION = """# Results and their commands

These files hold the measured numbers of this documentation, each with the command that made it, the versions, the
machine and the commit. Run the command again to check a number: on the same machine with the same versions it gives
the same numbers, except for times. A few measurements were kept in no file; `docs/numbers` lists them page by page, as
`STATED`.
"""
MOVED = ("python -m experiments.benchmarks.", "python -m bench.")  # files keep the command as it was typed


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    files.append(File.generated(config, "results.md", content=page(Path(config.docs_dir))))
    return files


def page(documents: Path) -> str:
    """Return the page on the results in a folder of documents."""
    return "\n".join([INTRODUCTION, *(section(path) for path in sorted((documents / "results").glob("*.json")))])


def section(path: Path) -> str:
    """Return the section on one file. If its record names a second command, that one stands after the first.

    If its recipe has another name now, or the work another command, the record's ``today`` is what computes the same.
    ``gone`` says how the last commit that has the program calls it, where nothing computes the same any more:
    ``python -m NAME at COMMIT``.
    """
    made = json.loads(path.read_text(encoding="utf-8"))["provenance"]
    command, _, further = made["command"].partition("; ")
    prompt = "$"
    if "today" in made:
        command, further = (
            made["today"],
            f"an earlier version, of the commit below, made this file: see its own command in the file. {further}",
        )
    if "gone" in made:
        program, _, commit = made["gone"].rpartition(" at ")
        command = re.sub(r"^python -m [\w.]+", program, command)
        prompt = f"{commit} $"
        further = f"the program is gone; the last commit that has it is {commit}. {further}"
    else:
        command = command.replace(*MOVED)
    if command.startswith("python -m") and "--out" not in command:
        command += f" --out {path.name}"
    documents, name = path.parents[1], f"results/{path.name}"
    pages = {markdown: markdown.read_text(encoding="utf-8") for markdown in sorted(documents.rglob("*.md"))}
    citing = [markdown.relative_to(documents).as_posix() for markdown, text in pages.items() if name in text]
    spoken = ", ".join(f"[{page_name}]({page_name})" for page_name in citing)
    machine = f"commit {made['git']}, {made['machine']}, Python {made['python']}; {made['versions']}"
    return (
        f"## {path.stem}\n\n[{path.name}]({name}){', cited in ' if spoken else ''}{spoken}\n\n"
        f"```console\n{prompt} {command}\n```\n\n{further.capitalize()}\n\n{made['started'][:10]}, {machine}\n"
    )
