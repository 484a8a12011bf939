"""Which files of tests are run again beside another version of transformers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.versions import ROOT, depends


@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("test_statistics.py", False),
        ("test_atomic.py", False),
        ("test_learning.py", True),  # it imports transformers
        ("test_checkpoints.py", True),  # through what it tests
    ],
)
def test_what_never_meets_a_model_is_not_run_again(file: str, again: bool) -> None:
    assert depends(ROOT / "tests" / "workbench" / file) == again


@pytest.mark.parametrize(
    ("program", "again"),
    [
        ("from adapter_workbench.workbench.measures.statistics import interval", False),
        ("from adapter_workbench.workbench.measures.statistics import interval\n\ndef test_it(tmp_path): ...", False),
        ("from adapter_workbench.workbench.methods.methods import METHODS", True),  # its entries import what they need
        ("def test_it(bert): ...", True),
        ("def test_it(call): ...", True),  # the command line opens whatever it is told to
        ("def test_it(task): ...", False),
        ("def test_it():\n    import tokenizers", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import transformers", False),
    ],
)
def test_an_import_anywhere_or_a_fixture_that_opens_a_model_tells(
    program: str, again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.versions.ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    file = tmp_path / "tests" / "test_made.py"
    file.write_text(program, encoding="utf-8")
    assert depends(file) == again


def test_screens_are_looked_at_with_both_versions() -> None:
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if "$(LATEST)/bin,$(PYTEST)" in line]
    assert "$(SCREENS)" in line
    assert (ROOT / "tests" / "test_screens.py").is_file()
