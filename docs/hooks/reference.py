"""Reference pages that the registries write themselves at each build: one page a registry, one section an entry.

The keys of a task file are printed on the page about task files, in the place of a comment.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic.fields import FieldInfo

from adapter_workbench.experiments.arrivals import ARRIVALS
from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.gating.adapter_bounds import AdapterBounds
from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.requests.examine import ExamineRequest
from adapter_workbench.experiments.requests.export import ExportRequest
from adapter_workbench.experiments.requests.fuse import FuseRequest
from adapter_workbench.experiments.requests.lesson import LessonRequest
from adapter_workbench.experiments.requests.repair import RepairRequest
from adapter_workbench.experiments.requests.request import AskedField, asked_fields, is_required
from adapter_workbench.experiments.requests.update import UpdateRequest
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.core.reference import HEADS, declared_by, rows
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.ranking import RANKINGS
from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.tasks.loading import registry
from adapter_workbench.tasks.sources import SOURCES
from adapter_workbench.tasks.task_file.task_file import Columns, Splits, TaskFile
from adapter_workbench.workbench.backbone.names import BACKBONES, BackboneCard
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.probes import PROBES
from adapter_workbench.workbench.settings.base import Budget, MethodSettings, Settings, read
from adapter_workbench.workbench.settings.registry import Modules

SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
KEYS = "<!-- the keys of a task file -->"
REQUESTS = "<!-- the fields of requests -->"
VERSION = "version"  # a source that `workbench tasks update` writes, and nobody else
REQUESTED = (
    *(LessonRequest, UpdateRequest, FuseRequest, ExamineRequest, RepairRequest, ExportRequest),
    *(AdapterBounds, CandidateBounds),
)
ROLES = re.compile(r":(?:meth|func|class|mod|attr):(?=`)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages; their names stand in the navigation."""
    for name, write in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=write()))
    return files


@event_priority(-100)  # after numbers.py has read what people wrote
def on_page_markdown(markdown: str, page: Page, **about: Any) -> str:
    """Return the pages on task files and on Python with the tables of keys and fields; other pages as they are."""
    if page.file.src_uri not in WRITTEN_INTO:
        return markdown
    place, write = WRITTEN_INTO[page.file.src_uri]
    if markdown.count(place) != 1:
        raise PluginError(f"{page.file.src_uri}: expected one line {place}")
    return markdown.replace(place, write())


def on_page_content(html: str, **about: Any) -> str:
    """Return a page without the roles that docstrings have before names."""
    return re.sub(r":(?:meth|func|class|mod|attr):(?=<code)", "", html)


def methods() -> str:
    """Return the page of the fine-tuning methods; what all of them take stands once, at the top."""
    shared = set(MethodSettings.model_fields) - {"learning_rate"}
    page = [
        "# Methods",
        f"{len(METHODS.names())} ways to adapt a backbone: `--method NAME`, or `method: NAME` in a recipe. `a+b` joins "
        "methods that work together (`lora+bitfit`).",
        "Every method has a `learning_rate`, and:",
        settings_table(MethodSettings, leave_out={"learning_rate"}),
    ]
    for name in METHODS.names():
        card = METHODS.get(name)
        facts = [card.title, card.paper, f"by {card.library}"] + ["made by `workbench fuse`"] * card.composed
        page += [*heading(METHODS, name), " · ".join(map(prose, facts)), settings_table(card.settings, shared)]
    return join(page)


def entries(title: str, introduction: str, *registries: Modules[Any]) -> Callable[[], str]:
    """Return the writer of a page on other registries: title, paper and settings where an entry has such."""

    def page() -> str:
        listed = [(modules, name) for modules in registries for name in modules.names()]
        parts = [f"# {title}", f"{introduction} There are {len(listed)}."]
        for registered, name in listed:
            entry = registered.get(name)
            facts = [fact for fact in (getattr(entry, "title", ""), getattr(entry, "paper", "")) if fact]
            parts += [*heading(registered, name), " · ".join(map(prose, facts))]
            if model := getattr(entry, "settings", None):
                parts.append(settings_table(model))
        return join(parts)

    return page


def kinds() -> str:
    """Return the page of the kinds of task."""
    page = ["# Kinds of task", "`kind: NAME` in a task file; `classification` if left out."]
    for name in KINDS.names():
        page += [*heading(KINDS, name), f"Main score: `{KINDS.get(name).metric}`. Right answers are in the column "]
        page[-1] += f"`{KINDS.get(name).target}` of a loaded row."
    return join(page)


def tasks() -> str:
    """Return the page of the catalog; nothing is downloaded."""
    rows = []
    for name in registry.names():
        spec = registry.find(name)
        rows.append(
            [f"`{name}`", spec.file.kind, prose(spec.description), prose(spec.origin), spec.file.license or "–"]
        )
    page = [
        "# Tasks",
        "`workbench tasks show NAME` prints all that a task's file says, `check` loads it and looks for trouble.",
    ]
    return join([*page, table(["name", "kind", "what", "where its rows come from", "licence"], rows)])


def task_files() -> str:
    """Return the tables of the keys of a task file, of its parts and of its sources."""
    page = [settings_table(TaskFile)]
    for key, model in (("columns", Columns), ("splits", Splits)):
        page += [f"### Keys of `{key}`", settings_table(model)]
    for name in (name for name in SOURCES.names() if name != VERSION):
        page += [f"### Keys of `{name}`", f"**{prose(SOURCES.describe(name).replace('**', ''))}**"]
        page += [settings_table(SOURCES.get(name).settings)]
    return join(page)


def requests() -> str:
    """Return the tables of what methods are asked for: the fields of each request, and of bounds."""
    page = []
    for request in REQUESTED:
        hints = get_type_hints(request, include_extras=True)
        rows = [
            [f"`{name}`", f"`{told_type(info)}`", python_default(asked), prose(asked.meaning)]
            for name, asked in asked_fields(request).items()
            for info in [FieldInfo.from_annotation(hints[name])]
        ]
        page += [f"### `{request.__name__}`", table(["field", "type", "default", "meaning"], rows)]
    return join(page)


def python_default(asked: AskedField) -> str:
    """Return a field's default as Python writes it."""
    return "required" if is_required(asked) else f"`{asked.default!r}`"


def backbones() -> str:
    """Return the page of the backbones that work by name."""
    page = ["# Backbones", "These work by name, without a hub. Any hub id and any local folder works in their place."]
    for name in BACKBONES.names():
        card = read(BACKBONES.path(name)).parse(BackboneCard)
        page += [f"## `{name}`", prose(card.description), yaml(BACKBONES.path(name))]
    return join(page)


def recipes() -> str:
    """Return the page of the shipped recipes, and of the keys that a recipe may have."""
    page = ["# Recipes", "`workbench run NAME` runs a shipped one; copy its text into a file to change it."]
    for name in RECIPES.names():
        described = read(RECIPES.path(name)).data.get("description", "")
        page += [f"## `{name}`", prose(described), yaml(RECIPES.path(name))]
    for study in map(STUDIES.get, STUDIES.names()):
        page += [f"## Keys of a recipe with `{study.key}`", settings_table(study.recipe)]
    return join([*page, "## Keys of `budget`", settings_table(Budget)])


def quantities() -> str:
    """Return the page of what is measured, and where each number appears."""
    page = [
        "# Quantities",
        "The numbers of a report. Each is declared once in the code, and this page is made from the declarations. "
        "Words in capitals stand for names: `LABEL` of an entry, `TASK` of a task, `K` for a number of examples. A "
        "number is null where it was not measured. One with an interval is an object of `mean`, `low`, `high` and "
        "`values`; in MLflow its bounds end in `_low` and `_high`. Metrics that begin with `LABEL` are those of the "
        "experiment's own run, all others those of the runs below it.",
    ]
    for name in STUDIES.names():
        study = STUDIES.get(name)
        for declared in declared_by(study):
            page += [f"## A recipe with `{study.key}`: `{declared.entry}`"]
            page += [table([*HEADS], [[*map(prose, row)] for row in rows(declared)])]
    return join(page)


def heading(modules: Modules[Any], name: str) -> list[str]:
    """Return an entry's heading, its one line, and what else the docstring of its file, or else of its class, says."""
    module = import_module(modules.module_name(name))
    text = inspect.cleandoc(module.__doc__ or "").partition("\n")[2].strip()
    written = type(modules.get(name))
    if not text and written.__module__ == module.__name__:
        text = (inspect.getdoc(written) or "").partition("\nAttributes:")[0].strip()
    return [f"## `{name}`", f"**{prose(modules.describe(name))}**", prose(text)]


def settings_table(model: type[Any], leave_out: Iterable[str] = ()) -> str:
    """Return a model's fields with types, bounds, defaults and meaning."""
    fields = {name: info for name, info in model.model_fields.items() if name not in leave_out}
    rows = [
        [f"`{name}`", f"`{told_type(info)}`", default(info), prose(info.description or "")]
        for name, info in fields.items()
    ]
    about = "" if model.__doc__ == Settings.__doc__ else prose(inspect.cleandoc(model.__doc__ or ""))
    return join([about, table(["setting", "type", "default", "meaning"], rows)]) if rows else about


def told_type(info: FieldInfo) -> str:
    """Return a field's type as Python writes it, with its bounds."""
    notes = [*info.metadata]
    plain = without_notes(info.annotation, notes)
    limits = [
        (sign, getattr(constraint, key))
        for constraint in notes
        for key, sign in SIGNS.items()
        if hasattr(constraint, key)
    ]
    bounds = [
        f"{sign} {bound:,}" if isinstance(bound, int) else f"{sign} {bound:g}" for sign, bound in dict.fromkeys(limits)
    ]
    written = re.sub(r"\b(?:[a-z_]+\.)+(?=\w)", "", inspect.formatannotation(plain))
    return f"{written}, {' '.join(bounds)}" if bounds else written


def without_notes(annotation: Any, notes: list[Any]) -> Any:
    """Return a type without what is annotated to it or to its parts, which is added to ``notes``."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        notes += [constraint for note in parts[1:] for constraint in getattr(note, "metadata", ())]
        return without_notes(parts[0], notes)
    if origin in (None, Literal):
        return annotation
    plain = [without_notes(part, notes) for part in parts]
    return reduce(or_, plain) if origin in (Union, UnionType) else origin[tuple(plain)]


def default(info: FieldInfo) -> str:
    """Return a field's default as YAML would have it; several lines of settings only by their name."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Settings):
        return f"as in `{type(value).__name__}`"
    words = {None: "null", True: "true", False: "false"}
    return f"`{words[value] if value is None or isinstance(value, bool) else value}`" if value != "" else "–"


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("\n", " ") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def prose(text: str) -> str:
    """Return docstring text as Markdown: roles gone, signs outside of code escaped."""
    pieces = re.split(r"(`+[^`]+`+)", ROLES.sub("", text).replace("::\n", ":\n"))
    plain = (re.sub(r"([*_|\[\]])", r"\\\1", piece).replace("<", "&lt;") for piece in pieces[::2])
    code = (*pieces[1::2], "")
    return "".join(part for pair in zip(plain, code, strict=True) for part in pair)


def yaml(path: Path) -> str:
    """Return a YAML file as a block."""
    return f"```yaml\n{path.read_text(encoding='utf-8').rstrip()}\n```"


def join(parts: Iterable[str]) -> str:
    """Return the parts that say something, as paragraphs."""
    return "\n\n".join(part for part in parts if part)


WRITTEN_INTO: dict[str, tuple[str, Callable[[], str]]] = {
    "how-to/task-files.md": (KEYS, task_files),
    "reference/python.md": (REQUESTS, requests),
}
PAGES: dict[str, Callable[[], str]] = {
    "methods": methods,
    "strategies": entries(
        "Strategies", "How a stream is learned: `strategy: NAME` under an entry of `strategies`.", STRATEGIES
    ),
    "scenarios": entries(
        "Scenarios",
        "What is known when a task is answered, and how the rows of one task arrive: `scenario: NAME` in a recipe.",
        SCENARIOS,
        ARRIVALS,
    ),
    "ways": entries(
        "Ways to update", "How the next version of an adapter is made: `workbench update TASK --how NAME`.", WAYS
    ),
    "probes": entries(
        "Probes", "What is measured of a model besides its scores: `probes: [NAME, …]` in a recipe.", PROBES
    ),
    "repairs": entries(
        "Repairs", "What brings back what shared weights forgot: `workbench repair … --method NAME`.", REPAIRS
    ),
    "compositions": entries(
        "Compositions", "How one adapter is made of several: `workbench fuse … --method NAME`.", COMPOSITIONS
    ),
    "rankings": entries(
        "Rankings", "Which adapters `workbench fuse … --from auto:K` takes: `--ranking NAME`.", RANKINGS
    ),
    "routers": entries(
        "Routers", "Which adapter answers if the task is not known: `workbench predict router:NAME`.", ROUTERS
    ),
    "quantities": quantities,
    "kinds": kinds,
    "tasks": tasks,
    "backbones": backbones,
    "recipes": recipes,
}
