from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.methods.task import Task


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of task files, with a cache of its own."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKBENCH_TASKS", raising=False)
    task_folder = tmp_path / "mine"
    task_folder.mkdir()
    return task_folder


@pytest.fixture
def load(folder: Path) -> Callable[..., Task]:
    """Write a task file (and a csv of 40 rows beside it, where none is given) and load the task."""

    def write_and_load(text: str, rows: Sequence[str] | None = None) -> Task:
        (folder / "rows.csv").write_text("\n".join(rows or forty_rows()) + "\n", encoding="utf-8")
        (folder / "mine.yaml").write_text(f"description: d\n{text}\n", encoding="utf-8")
        return registry.load(registry.find("mine", [folder]))

    return write_and_load


def forty_rows() -> list[str]:
    return ["text,label", *(f"text number {number},{'ab'[number % 2]}" for number in range(40))]
