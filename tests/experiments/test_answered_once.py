"""Where a gate asks two adapters of any kind: once in a workspace, whatever may be written there or is damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.gating.takeover import BESIDE
from adapter_workbench.experiments.workspace import evaluating
from tests.conftest import Call, toy
from tests.damage import flip
from tests.read_only import read_only

TASK = "kind: multilabel\nfiles: {train: train.jsonl, validation: validation.jsonl, test: test.jsonl}\n"
SETTINGS = ["learning_rate=0.02", "budget={epochs: 1, batch_size: 16, max_length: 16, precision: fp32}"]
Asked = Callable[[], list[str]]


@pytest.fixture(scope="module")
def released(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two adapters of a multilabel task, both tested; the first is the champion."""
    folder = tmp_path_factory.mktemp("released")
    tasks, made = folder / "tasks", toy("multilabel")
    tasks.mkdir()
    for split, rows in made.splits.items():
        lines = [{"text": row["text"], "label": [made.labels[label] for label in row["labels"]]} for row in rows]
        (tasks / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tasks / "topics.yaml").write_text(
        f"description: made in tests\n{TASK}columns: {{text: text, label: label}}\n", encoding="utf-8"
    )
    bench = Workbench(folder / ".workbench", [tasks])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for seed in (0, 1):
            adapter = bench.train(bench.lesson_from("topics", "lora", str(bert), seed, SETTINGS)).adapter.id
            if seed == 0:
                bench.release.register(adapter)
    return folder


@pytest.fixture
def ids(released: Path, tmp_path: Path, call: Call) -> list[str]:
    """The champion and the other one, in a copy in which commands run."""
    shutil.copytree(released, tmp_path, dirs_exist_ok=True)
    champion = Workbench(tmp_path / ".workbench").workspace.champions.names()["topics.lora"].champion
    assert champion
    others = [path.name for path in (tmp_path / ".workbench/adapters").iterdir() if path.name != champion.adapter]
    return [str(champion.adapter), *(name for name in others if name.startswith("topics-lora"))]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Return what gives the splits that a model was asked since the last time."""
    splits: list[str] = []
    evaluate = evaluating.evaluate_split

    def seen(model: Any, task: Any, split: str, *rest: Any) -> Any:
        splits.append(split)
        return evaluate(model, task, split, *rest)

    for module in (
        "adapter_workbench.experiments.workspace.evaluating",
        "adapter_workbench.workbench.answering.evaluation",
    ):
        monkeypatch.setattr(f"{module}.evaluate_split", seen)

    def since() -> list[str]:
        found, splits[:] = [*splits], []
        return found

    return since


def gate(call: Call, ids: list[str]) -> list[dict[str, Any]]:
    """Return the bounds of the second adapter, each of which needs answers."""
    options = ["--not-below-champion", "--margin", "100", "--min-macro-f1", "2", "--max-ece", "100"]
    code, out, err = call("gate", ids[1], *options, "--min-agreement", "2", "--against", ids[0], "--json")
    assert code in (0, 3), err
    bounds: list[dict[str, Any]] = json.loads(out)["bounds"]
    assert bounds[0]["what"] == BESIDE
    assert len(bounds) >= 4
    return bounds


def test_all_bounds_of_a_gate_ask_each_adapter_once(ids: list[str], call: Call, asked: Asked) -> None:
    first = gate(call, ids)
    assert asked() == ["validation"] * 2, "of both, and the tests have asked the test rows"
    assert gate(call, ids) == first
    assert asked() == []


def test_damaged_answers_are_asked_again_and_replaced(ids: list[str], call: Call, asked: Asked, tmp_path: Path) -> None:
    before = {*(tmp_path / ".workbench/evaluations").iterdir()}
    first = gate(call, ids)
    asked()
    (damaged, *_) = {*(tmp_path / ".workbench/evaluations").iterdir()} - before
    flip(damaged / "outcomes.parquet")
    assert gate(call, ids) == first
    assert asked() == ["validation"]
    assert gate(call, ids) == first
    assert asked() == []


def test_a_workspace_that_can_only_be_read_is_compared(
    ids: list[str], call: Call, asked: Asked, tmp_path: Path
) -> None:
    with read_only(tmp_path / ".workbench"):
        bounds = gate(call, ids)
    assert asked() == ["validation"] * 4, "nothing can be kept"
    assert bounds[0]["found"] is not None, bounds[0]["note"]
