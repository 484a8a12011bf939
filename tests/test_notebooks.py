"""The notebooks run as they stand, and what was committed with them is what a reader would see."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|tmp|var|usr|work|Users|private)/|[A-Z]:\\\\")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.acceptance
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_what_it_showed(
    path: Path, runner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    kept, fresh = nbformat.read(path, as_version=4), runner.executed(path)
    for before, after in zip(kept.cells, fresh.cells, strict=True):
        if before.cell_type == "code":
            assert shapes(before) == shapes(after), before.source


def shapes(cell: nbformat.NotebookNode) -> list[tuple[str, ...]]:
    """Return which outputs a cell has, and in which formats; numbers may differ from machine to machine."""
    return [(output.output_type, *sorted(output.get("data", {}))) for output in cell.outputs]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_a_machine_is_committed(path: Path) -> None:
    match = MACHINE.search(path.read_text(encoding="utf-8"))
    assert not match, f"{path.name} shows a path: {match}"
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.metadata
        assert cell.cell_type != "code" or cell.execution_count, "committed with its outputs"
