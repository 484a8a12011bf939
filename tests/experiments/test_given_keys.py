"""What is stored of a checkpoint is taken for one alone that has its weights, its config and its tokenizer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.strategies._checkpoints import read_checkpoints
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.methods.task import Task
from tests.checkpoints import with_another_output_layer
from tests.conftest import Call
from tests.experiments.test_given_language import LIKELY, write_labelled

TEMPLATE = "{% for message in messages %}cat {{ message['content'] }} dog {% endfor %}"


def changed(folder: Path, **settings: Any) -> None:
    """Write other values into a model's config."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("place", ["checkpoint", "base"])
def test_a_checkpoint_is_asked_again_in_the_words_of_another_chat_template(
    place: str, call: Call, llama: Path, tmp_path: Path
) -> None:
    write_labelled(tmp_path)
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    shutil.copytree(llama, base)
    with_another_output_layer(llama, tuned)
    given = ["examine", str(base), str(tuned), "--task", "words", "--labels", "likelihood", "--rows", "16"]
    given += [
        "--set",
        f"strategies.given.prompt='{LIKELY}'",
        "--set",
        "budget.max_length=60",
        "--probes",
        "none",
        "--workspace",
        "ws",
    ]
    counts = []
    for template in (None, TEMPLATE, TEMPLATE.replace("cat", "fig")):
        if template:
            ((tuned if place == "checkpoint" else base) / "chat_template.jinja").write_text(template)
        for _ in range(2):
            code, _, err = call(*given)
            assert code == 0, err
            counts.append(len([*(tmp_path / "ws").rglob("*.parquet")]))
    assert counts == [2, 2, 3, 3, 4, 4], "one is measured anew, and once"


def test_equal_weights_under_another_config_are_another_model(bert: Path, task: Task, tmp_path: Path) -> None:
    base = open_backbone(str(bert))
    for name in ("copy", "other"):
        shutil.copytree(bert, tmp_path / name)
    changed(
        tmp_path / "copy", _name_or_path="elsewhere", transformers_version="4.0.0", architectures=["BertForMaskedLM"]
    )
    changed(tmp_path / "other", layer_norm_eps=0.5)
    same, copy, other = read_checkpoints(
        [str(bert), *(str(tmp_path / name) for name in ("copy", "other"))], base, [task], ""
    )
    assert (copy.backbone, copy.digest) == (None, same.digest), "who wrote it changes nothing"
    assert other.backbone is not None
    assert other.backbone.config.layer_norm_eps == 0.5
    assert other.digest != same.digest


def test_the_key_of_a_registered_model_is_that_of_its_weights(task: Task) -> None:
    """Its files are pinned, and what was measured of it before other files counted stays measured."""
    base = open_backbone("minilm")
    (checkpoint,) = read_checkpoints(["minilm"], base, [task], "")
    assert checkpoint.digest == key([base.fingerprint, []])
