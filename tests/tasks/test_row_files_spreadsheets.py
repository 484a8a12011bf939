"""Rows for a spreadsheet: no text of somebody else's is computed there, and numbers stay numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.tasks.rows.row_files import rows_to

# the beginnings that OWASP names under "CSV Injection"
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", '=HYPERLINK("http://a","b")', "-", "+٣"]
HARMLESS = ["the cat", "1+1", "'=1", " =1", "", "-5", "+3.25", "-1,5", "1e-5", "-1e+3"]


def written(path: Path, rows: list[dict[str, Any]], **how: bool) -> list[list[str]]:
    with rows_to(path, path.suffix, lambda: pytest.fail("only parquet has a schema"), [*rows[0]], **how) as write:
        write(rows)
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_what_begins_as_a_formula_is_kept_literal_on_request(suffix: str, tmp_path: Path) -> None:
    rows = [{"=name": text, "tags": ["=a", "b"], "confidence": -0.25, "gone": None} for text in [*FORMULAS, *HARMLESS]]
    head, *read_rows = written(tmp_path / f"out{suffix}", rows, for_spreadsheets=True)
    assert head == ["'=name", "tags", "confidence", "gone"]
    assert [row[0] for row in read_rows] == [*(f"'{text}" for text in FORMULAS), *HARMLESS]
    assert {tuple(row[1:]) for row in read_rows} == {("'=a, b", "-0.25", "")}


def test_without_it_every_cell_is_what_it_was(tmp_path: Path) -> None:
    rows = [{"=name": text} for text in [*FORMULAS, *HARMLESS] if text]
    head, *read_rows = written(tmp_path / "out.csv", rows)
    assert head == ["=name"]
    assert read_rows == [[row["=name"]] for row in rows]
