"""The measurements as programs, on a tiny model: what they write down, and what they need not do again."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from bench import learning_rates, precision, single_task
from bench.copied_adapters import copy_adapter
from tests.streams import write_recipe


@pytest.fixture
def measure(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs a program on a recipe, and gives the document that it writes."""
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path, bert)

    def measure(program: ModuleType, *options: str) -> dict[str, Any]:
        app = Typer()
        app.command()(program.main)
        done = CliRunner().invoke(app, [str(recipe), "--out", "found.json", *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        document: dict[str, Any] = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
        return document

    return measure


def test_a_learning_rate_is_chosen_and_finished_fits_are_kept(measure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_rates, "GRIDS", {"lora": (1e-5, 2e-2)})
    options = "--tasks animals,fruits --methods lora --seeds 7".split()
    document = measure(learning_rates, *options)
    assert document["chosen"] == {"lora": 0.02}, "at the other one nothing is learned"
    assert len(document["scores"]) == 4
    assert document["provenance"]["command"].endswith("--tasks animals,fruits --methods lora --seeds 7")
    monkeypatch.setattr(single_task, "teach", None)
    again = measure(learning_rates, *options)
    assert again["scores"] == document["scores"]


def test_precisions_are_paired(measure: Any) -> None:
    document = measure(precision, *"--tasks animals --methods lora --seeds 7,8".split())
    assert [row["precision"] for row in document["scores"]] == ["bf16", "fp32"] * 2
    assert abs(document["difference"]["mean"]) <= 1


@pytest.mark.parametrize("method", ["lora", "pfeiffer"])
def test_copies_of_an_adapter_have_weights_of_their_own(
    method: str, llama: Path, copying: Task, tmp_path: Path
) -> None:
    store, settings = AdapterStore(tmp_path), METHODS.get(method).settings()
    budget = Budget(epochs=1, batch_size=8, max_length=16, precision="fp32", train_examples=8)
    lesson = Lesson(copying, Adaptation(open_backbone(str(llama)), method, settings, "fp32"), budget, 0)
    learned = learn(lesson, store, Silent(), "copying")
    copies = [store.get(copy_adapter(learned, store, f"copy-{number:04d}")) for number in range(20)]
    assert len({copy.identity for copy in copies}) == 20, "a server would take equal ones for one adapter"
