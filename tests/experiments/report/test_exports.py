"""Tables for papers and spreadsheets, figures for print: whole, escaped, and the same bytes every time."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.differences import Difference, legend
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.files import FORMATS, figures
from adapter_workbench.experiments.reporting.latex import escape, latex
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Table
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.quantities import TRAINING
from adapter_workbench.workbench.measures.statistics import Interval, interval
from tests.messages import lacks

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.studies.stream.results.report import Report

NASTY = r'a_b & 50 % #1 $x^2$ {~} \input{x} <b> "q"'


@pytest.fixture(scope="module")
def shown(report: Report) -> Presentation:
    return present(report)


def rows(content: bytes) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(content.decode()))]


def test_every_table_is_a_file_with_numbers_as_they_were_computed(report: Report, shown: Presentation) -> None:
    tables = csv_tables(shown)
    assert {"strategies.csv", "differences.csv", "pairs.csv", "cost.csv", "matrix-full-replay.csv"} <= {*tables}
    for strategy, row in zip(report.strategies, rows(tables["strategies.csv"]), strict=True):
        value = strategy.metrics["average_accuracy"]
        numbers = [float(row[f"average accuracy{part}"]) for part in ("", " low", " high")]
        assert numbers == [value.mean, value.low, value.high]
        assert row["strategy"] == strategy.label
    joint = rows(tables["strategies.csv"])[4]
    assert (joint["strategy"], joint["forgetting"]) == ("full-joint", ""), "what was not measured is empty"
    assert rows(tables["differences.csv"])[0]["learning accuracy reading"] == "undecided"
    matrix = [[row[task] for task in report.record.tasks] for row in rows(tables["matrix-full-replay.csv"])]
    assert [float(cell) for cell in matrix[3]] == [*report.strategies[3].matrix[4]]
    assert float(rows(tables["cost.csv"])[0]["training in s"]) == TRAINING.number(report.strategies[0])


@pytest.mark.parametrize(("columns", "tables"), [(1, 1), (9, 1), (10, 2), (40, 5)])
def test_a_page_splits_a_table_that_is_too_wide_for_it(columns: int, tables: int, shown: Presentation) -> None:
    # 7 characters and a space of 2 for the first column, 14 and 2 for each further one, of 150
    heads = [Column("label"), *(Column("c", note="x" * 14) for _ in range(columns - 1))]
    table = Table("t", "Wide", heads, [[Cell("a" * 7), *(Cell(f"cell {number}") for number in range(1, columns))]])
    page = drawn_page(replace(shown, written=lambda: [table]), {})
    assert (page.count("<table"), page.count("<h2>Wide</h2>"), page.count("aaaaaaa")) == (tables, 1, tables)
    assert [int(number) for number in re.findall(r"cell (\d+)", page)] == [*range(1, columns)]


def test_no_name_is_a_formula_of_a_spreadsheet(shown: Presentation) -> None:
    table = Table("t", "T", (Column("=head"), Column("n")), ((Cell("=1+1"), Cell("−1.0", -1.0)),))
    assert csv_tables(replace(shown, written=lambda: [table]))["t.csv"] == b"'=head,n\n'=1+1,-1.0\n"
    scores = Table("t", "", [Column("=head")], [[Cell("1", 1.0, Interval(1.0, 0.5, 1.5, (1.0,)), badge="higher")]])
    head, *_ = csv_tables(replace(shown, written=lambda: [scores]))["t.csv"].decode().splitlines()
    assert head == "'=head,'=head low,'=head high,'=head reading"
    for text in ("＝1", "＋1", "－1", "＠A1", "\n=1"):
        table = Table("t", "T", (Column("name"),), ((Cell(text),),))
        assert f"'{text}" in csv_tables(replace(shown, written=lambda table=table: [table]))["t.csv"].decode()


def test_every_table_is_a_float_of_its_own(shown: Presentation) -> None:
    text = latex(shown)
    tables = re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, re.DOTALL)
    assert len(tables) == len(shown.tables) == len(set(re.findall(r"\\label\{(.*)\}", text)))
    for table, source in zip(shown.tables, tables, strict=True):
        alignments = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", source)
        assert [len(alignment) for alignment in alignments] == [len(table.columns)]
        lines = [line for line in source.split("\n") if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(table.columns) - 1}
        assert len(lines) == 1 + len(table.rows)
        assert all(rule in source for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"lora-isolated & +16.9 $\pm$1.6 $\uparrow$ & $-$1.1 $\pm$1.6 ?" in text


def test_names_are_letters_in_latex() -> None:
    text = escape(NASTY)
    plain = re.sub(r"\\(text\w+\{\}|[&%#$_{}])", "", text)
    assert not re.search(r"[\\&%#$_{}~^<>|]", plain), text
    assert escape("91.0 ±1.7 ▼") == r"91.0 $\pm$1.7 $\downarrow$"
    assert escape("[0.1, 2.0]") == "{[}0.1, 2.0{]}", "not the distance to the next row"


PROGRAM = """
import hashlib, sys
from pathlib import Path
from adapter_workbench.experiments.reporting.files import FORMATS, figures
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from tests.experiments.report.conftest import invent
shown = present(summarise(invent(Path(sys.argv[1]))))
for form in FORMATS:
    for name, image in figures(shown, form).items():
        print(form, name, hashlib.sha256(image).hexdigest())
"""


@pytest.fixture(scope="module")
def images(shown: Presentation) -> dict[str, dict[str, bytes]]:
    """All figures, by format and name."""
    return {form: figures(shown, form) for form in FORMATS}


@pytest.mark.acceptance
def test_figures_are_the_same_bytes_in_every_process_and_format(
    images: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    here = [
        f"{form} {name} {hashlib.sha256(image).hexdigest()}"
        for form, drawn in images.items()
        for name, image in drawn.items()
    ]
    assert len(here) == 4 * 3
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == here


def test_figures_bear_no_date(images: dict[str, dict[str, bytes]]) -> None:
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for form, drawn in images.items():
        for image in drawn.values():
            assert image.startswith(begins[form])
            assert not re.search(rb"CreationDate|dc:date|Matplotlib v", image)


LAZY = """
import sys
from adapter_workbench.experiments.reporting import csv_tables, latex, page, terminal
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from pathlib import Path
from rich.console import Console
from tests.experiments.report.conftest import invent
shown = present(summarise(invent(Path(sys.argv[1]), seeds=(0,))))
terminal.show(shown, Console())
shown.document(True), shown.tracking(), latex.latex(shown), csv_tables.csv_tables(shown), page.page(shown, {})
assert "matplotlib" not in sys.modules
"""


def test_nothing_is_drawn_before_it_is_asked_for(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LAZY, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_marks_have_one_legend() -> None:
    seeds, examples, single = interval([0.1, 0.2]), Interval(0.1, 0.05, 0.15), interval([0.1])
    family = in_family({"a": Difference(seeds, examples, 0.2), "b": Difference(interval([0.1, 0.3]), None, 0.01)})
    text = legend(family.values())
    marks = ("▲ higher", "▼ lower", "? undecided")
    assert lacks(text, *marks, "paired t-test over seeds", "adjusted for 2 differences (Holm)", "0.05") == []
    assert "interval over test examples" in legend([None, Difference(single, examples)])
    assert Difference(seeds, examples).shown is seeds
    assert Difference(single, examples).shown is examples
