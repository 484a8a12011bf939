"""The commands that stand in documents, and whether the command line would take them; nothing is run."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer
import yaml
from typer.main import get_command

from adapter_workbench.experiments.cli import application
from adapter_workbench.experiments.engine.recipes import RECIPES, find_recipe
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.studies import study_for
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.ranking import RANKINGS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import BACKBONES
from adapter_workbench.workbench.errors import UnknownNameError
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import Budget, Document
from adapter_workbench.workbench.settings.registry import Modules

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`((?:workbench|python -m bench\.\S*) [^`]+)`")
# a line of a block; `workbench = Workbench()` is Python
PROGRAM = re.compile(r"^(?:[$!]\s*)?(?:\w+=\S+ )*(?:\.venv/bin/)?(?=workbench (?!= )|python -m bench\.)")
PLACEHOLDER = re.compile(r"…|^[A-Z][A-Z_,0-9]*$")


def commands(text: str) -> Iterator[str]:
    """Yield each command of a Markdown text: lines of its blocks, and code in its sentences."""
    for _, block in FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if PROGRAM.match(line):
                yield PROGRAM.sub("", line)
    for span in SPAN.findall(FENCED.sub("", text)):
        yield " ".join(span.split())


def in_workflows(text: str) -> Iterator[str]:
    """Yield each command that a step of a GitHub workflow in a Markdown text runs; its indented lines are no block."""
    for language, block in FENCED.findall(text):
        if language == "yaml" and re.search(r"^jobs:", block, re.MULTILINE):
            for job in yaml.safe_load(block)["jobs"].values():
                for step in job["steps"]:
                    assert ("run" in step) != ("uses" in step), step
                    yield from commands(f"```\n{step.get('run', '').rstrip()}\n```")


def in_notebook(path: Path) -> Iterator[str]:
    """Yield each command of a notebook: shell lines, and what its text says."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        yield from commands(text if cell["cell_type"] == "markdown" else f"```\n{text}\n```")


def in_recipe(path: Path) -> Iterator[str]:
    """Yield the commands in a recipe's header."""
    header = re.match(r"(?:#.*\n)*", path.read_text(encoding="utf-8"))[0]
    text = re.sub(r"\n#\s+(?=--)", " ", header)
    yield from (match[0].strip() for match in re.finditer(r"workbench run .*", text))


def check(command: str, own_tasks: frozenset[str] = frozenset()) -> None:
    """Make sure that a command would be taken: commands, options, names and settings exist.

    Words in capitals and with … stand for something. Raises what the command line would.
    """
    program, *arguments = shlex.split(command, comments=True)
    if program == "python":
        parsed(_benchmark(arguments[1]), "python -m", arguments[2:])
        return
    bench = application()
    for parameter in bench.params:
        if "completion" in str(parameter.name):
            parameter.callback = None  # it would write into the shell's own files
    name, given = parsed(bench, "workbench", arguments)
    _require_names(name, given, own_tasks)
    if given.get("assignments") and name in SETTINGS:
        SETTINGS[name](given)


def parsed(command: Any, name: str, arguments: list[str]) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the command that would be called, and its parameters; without arguments it is a mention."""
    context = None
    while True:
        context = command.make_context(name, list(arguments), parent=context, resilient_parsing=not arguments)
        rest = [*context._protected_args, *context.args]
        if not hasattr(command, "get_command") or not rest:
            return context.command_path.partition(" ")[2], context.params
        name, command, arguments = command.resolve_command(context, rest)


def _benchmark(module: str) -> Any:
    benchmark = importlib.import_module(module)
    if hasattr(benchmark, "app"):
        return get_command(benchmark.app)
    app = typer.Typer()
    app.command()(benchmark.main)
    return get_command(app)


def _require_names(command: str, given: Mapping[str, Any], own_tasks: frozenset[str]) -> None:
    registries: dict[str, Modules[Any]] = {"fuse": COMPOSITIONS, "repair": REPAIRS}
    methods = registries.get(command, METHODS).names()
    names = {
        "task": [*registry.names(), *own_tasks],
        "target": [*registry.names(), *own_tasks],
        "method": methods,
        "methods": methods,
        "ranking": RANKINGS.names(),
        "backbone": BACKBONES.names(),
        "recipe": RECIPES.names(),
        "router": ROUTERS.names(),
    }
    if command.startswith("tasks ") and command != "tasks new":
        names["name"] = names["task"]
    if str(given.get("adapter", "")).startswith("router:"):
        given = {**given, "router": given["adapter"].removeprefix("router:")}
    for noun in names.keys() & given.keys():
        for name in str(given[noun] or "…").split(","):
            if not PLACEHOLDER.search(name) and not name.endswith(".yaml") and "/" not in name:
                for part in name.split("+") if noun.startswith("method") else [name]:
                    if part not in names[noun]:
                        raise UnknownNameError(noun, part, names[noun])


def _recipe(given: Mapping[str, Any]) -> None:
    if given["recipe"] not in RECIPES.names():
        return
    document = find_recipe(given["recipe"]).set(given["assignments"])
    document.parse(study_for(document.data).recipe)


def _settings(find: Callable[[str], Any]) -> Callable[[Mapping[str, Any]], None]:
    def settings(given: Mapping[str, Any]) -> None:
        document = Document({}, "command line").set(given["assignments"])
        own = {name: value for name, value in document.data.items() if name != "budget"}
        document.parse_parts(
            ((), own, find(given["method"]).settings), (("budget",), document.data.get("budget", {}), Budget)
        )

    return settings


SETTINGS = {"run": _recipe, "train": _settings(METHODS.get), "fuse": _settings(COMPOSITIONS.get)}
