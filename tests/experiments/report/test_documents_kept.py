"""What scripts and people read of a report stays: its JSON document, its tables, its points in MLflow, each view.

``documents/STUDY.json`` holds what the experiments of ``finished.py`` came to before quantities were declared.
``python -m tests.experiments.report.test_documents_kept`` writes them anew, where something was added on purpose.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.latex import latex
from adapter_workbench.experiments.reporting.page import page
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies import STUDIES, present
from adapter_workbench.experiments.studies.core.reference import declared_by, metrics, path
from tests.experiments.report.finished import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter_workbench.experiments.reporting.presentation import Cell, Column, Presentation, Table

DOCUMENTS = Path(__file__).with_name("documents")
DRESS = re.compile(r"<(style|script)\b.*?</\1>", re.S)
DIGITS = 10  # that are kept of a number: sums of times may be added up in another order


@pytest.mark.parametrize("study", FINISHED)
def test_a_finished_experiment_gives_what_it_gave(study: str) -> None:
    now, before = frozen(study), json.loads((DOCUMENTS / f"{study}.json").read_text(encoding="utf-8"))
    for part, content in before.items():
        assert dict(leaves(now[part])) == dict(leaves(content)), part


@pytest.mark.parametrize("study", FINISHED)
def test_the_reference_page_says_where_each_number_is(study: str) -> None:
    assert_as_declared(study, present(FINISHED[study]()))


def assert_as_declared(study: str, shown: Presentation) -> None:
    """Make sure that each quantity of a study is where its declaration says."""
    document, run = shown.document(True), shown.tracking().run
    tables = {name.partition(",")[0]: table for name, table in reversed(_tables(shown).items())}
    logged = {name for child in run.children for name, _, _ in child.metrics} | {name for name, _, _ in run.metrics}
    for declared in declared_by(STUDIES.get(study)):
        for quantity in declared.quantities:
            if where := path(declared, quantity):
                assert [*values_at(document, where.split("."))], where
            for table, column in quantity.columns.items():
                assert column in tables[table].columns
            for metric in metrics(declared, quantity):
                pattern = re.escape(metric).replace("TASK", "[^/]+").replace("LABEL", "[^/]+")
                assert any(re.fullmatch(pattern, name) for name in logged), metric


def values_at(content: Any, keys: Sequence[str]) -> Iterator[Any]:
    """Yield what stands at a path whose keys in capitals mean any."""
    if not keys:
        yield content
        return
    first, *rest = keys
    inside = content if isinstance(content, dict) else {}
    for key in inside if first.isupper() else [first]:
        if key in inside:
            yield from values_at(inside[key], rest)


def frozen(study: str) -> dict[str, Any]:
    """Return everything of a study's experiment that has a name which scripts may go by."""
    shown = present(FINISHED[study]())
    run = shown.tracking().run
    kept = {
        "document": shown.document(True),
        "tables": {name: _table(table.columns, table.rows) for name, table in _tables(shown).items()},
        "csv": {name: content.decode().partition("\n")[0] for name, content in csv_tables(shown).items()},
        "mlflow": {part.name: _points(part.metrics) for part in (run, *run.children)},
        "views": {view: text.splitlines() for view, text in _views(shown).items()},
    }
    rounded: dict[str, Any] = json.loads(json.dumps(kept), parse_float=lambda text: float(f"{float(text):.{DIGITS}g}"))
    return rounded


def _views(shown: Presentation) -> dict[str, str]:
    """Return what people see: 100 columns of a terminal, the page without pictures and style, and all files."""
    console = Console(file=io.StringIO(), width=100, color_system=None)
    show(shown, console)
    files = {f"csv {name}": content.decode() for name, content in csv_tables(shown).items()}
    return {
        "terminal": cast("io.StringIO", console.file).getvalue(),
        "page": DRESS.sub("", page(shown, {})),
        "latex": latex(shown),
        **files,
    }


def _tables(shown: Presentation) -> dict[str, Table]:
    """Return the tables of a report, and that of its description in MLflow, by name."""
    described = shown.tracking().table
    return {**{table.name: table for table in shown.tables}, f"{described.name}, described": described}


def _table(columns: Any, rows: Any) -> dict[str, Any]:
    return {"columns": [*map(_column, columns)], "rows": [[*map(_cell, row)] for row in rows]}


def _column(column: Column) -> str:
    media = "".join(sorted(part.name[0] for part in column.media if part.name))
    return f"{column.head} | {column.note} | {column.unit} | {column.short} | {media} | {'left' if column.left else ''}"


def _cell(cell: Cell) -> list[Any]:
    return [" | ".join((cell.text, cell.spread, *cell.notes, cell.badge, cell.tone)), cell.value, cell.heat]


def _points(points: Any) -> dict[str, float | None]:
    return {f"{name} @ {step}": value for name, value, step in points}


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands at each path of a document; the order of keys does not count."""
    if isinstance(content, dict) and content:
        for key, value in content.items():
            yield from leaves(value, f"{path}/{key}")
    elif isinstance(content, list) and content:
        for index, value in enumerate(content):
            yield from leaves(value, f"{path}/{index}")
    else:
        yield path, content


if __name__ == "__main__":
    DOCUMENTS.mkdir(exist_ok=True)
    for name in FINISHED:
        text = json.dumps(frozen(name), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        (DOCUMENTS / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
