"""Whose names the labels of a head from elsewhere have: those of the folder, of the base model, or of a person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.runs import stream_of
from tests.streams import write_tasks

NAMED = {"id2label": {0: "second", 1: "first"}, "label2id": {"second": 0, "first": 1}}
ONE_SEED = ("seeds=[0]", "reference=mine", "learned=before", "tasks=[animals]")


def adapter(base: Path, folder: Path, labels: int = 2) -> Path:
    """Write a LoRA of peft with a head, which names no labels."""
    from peft import LoraConfig, TaskType

    sent_by_peft(base, folder, LoraConfig(task_type=TaskType.SEQ_CLS, r=2), num_labels=labels)
    return folder


@pytest.fixture(scope="module")
def sorter(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model that classifies, and names its labels."""
    return classifier(bert, tmp_path_factory.mktemp("sorter"), **NAMED)


def classifier(bert: Path, folder: Path, **labels: Any) -> Path:
    """Write a whole model that classifies."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_pretrained(bert, **labels).save_pretrained(folder)
    open_backbone(str(bert)).tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("where", ["beside", "base"])
def test_labels_of_an_adapter_of_peft(where: str, bert: Path, sorter: Path, tmp_path: Path) -> None:
    base = sorter if where == "base" else bert
    folder = adapter(base, tmp_path / "lora")
    if where == "beside":
        config = json.loads((sorter / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    stored = Workbench(tmp_path / "ws", []).exchange.import_adapter(folder, str(base))
    assert stored.manifest.task.labels == ("second", "first")


def test_a_base_model_with_fewer_labels_names_none(bert: Path, sorter: Path, tmp_path: Path) -> None:
    folder = adapter(bert, tmp_path / "lora", labels=3)
    with pytest.raises(InputError, match="does not name its 3 labels"):
        Workbench(tmp_path / "ws", []).exchange.import_adapter(folder, str(sorter))


def test_an_adapter_on_a_classifier_is_examined_under_its_own_head(sorter: Path, tmp_path: Path) -> None:
    stages = f"[{sorter}, {adapter(sorter, tmp_path / 'lora')}]"
    report = stream_of(tmp_path, sorter, {"mine": f"{{strategy: given, stages: {stages}}}"}, *ONE_SEED)
    assert report.record.ways["mine"] == {"animals": "own head"}


def test_labels_are_named_on_the_command_line(call: Call, bert: Path, tmp_path: Path) -> None:
    write_tasks(tmp_path)
    base = classifier(bert, tmp_path / "base")
    given = ["examine", str(base), str(adapter(base, tmp_path / "lora")), "--task", "animals", "--rows", "24"]
    given += ["--probes", "none", "--workspace", "ws", "--json", "--set", "budget.max_length=16"]
    scores = []
    for labels in ("first,second", "second,first"):
        code, out, err = call(*given, "--head-labels", f"animals={labels}", "--name", f"in-order-{labels[0]}")
        assert code == 0, err
        (change,) = json.loads(out)["strategies"]["given"]["examined"]
        assert change["way"] == "own head"
        scores.append((change["first"], change["last"]))
    assert [sum(ends) for ends in zip(*scores, strict=True)] == [1.0, 1.0], "the other order, the other answers"
    code, _, err = call(*given, "--head-labels", "first,second")
    assert (code, "names no labels of a task" in err) == (2, True)


REFUSED = {
    "another number": ("[{two}, {three}]", "animals: [first, second]", "its head has 3 labels, and 2 are named"),
    "no head": ("[{bert}, {two}]", "animals: [first, second]", "no head came with it|brings no head"),
    "no such task": ("[{two}, {three}]", "anmals: [first, second]", "animals"),
    "other labels": ("[{two}, {three}]", "animals: [first, third]", "unknown to the task: third"),
    "a label twice": ("[{two}, {three}]", "animals: [first, first]", "named twice"),
    "two orders": (
        "[{two}, {again}]",
        "animals: [first, second], halves: [second, first]",
        "cannot have its labels in two orders",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_cannot_be_meant_are_refused(case: str, bert: Path, tmp_path: Path) -> None:
    stages, labels, message = REFUSED[case]
    folders = {"two": adapter(bert, tmp_path / "two"), "again": adapter(bert, tmp_path / "again")}
    if "{three}" in stages:
        folders["three"] = adapter(bert, tmp_path / "three", labels=3)
    entry = f"{{strategy: given, stages: {stages.format(bert=bert, **folders)}, head_labels: {{{labels}}}}}"
    with pytest.raises(InputError, match=message):
        stream_of(tmp_path, bert, {"mine": entry}, *ONE_SEED[:3], "tasks=[animals, halves]")
    assert not (tmp_path / "space/experiments").exists()
