"""Adapters stored under one major version of transformers open under the other, and answer alike.

`make test-latest` runs this with both: each writes into the folder that EXCHANGE names, and opens what the other wrote.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.adaptation import Adaptation
from workbench.backbone_names import open_backbone
from workbench.evaluation import predict
from workbench.extras import installed
from workbench.listener import Silent
from workbench.methods import METHODS
from workbench.settings import Budget
from workbench.store import AdapterStore
from workbench.stored_model import open_adapter
from workbench.task import Task
from workbench.training import Lesson, learn

VERSION = installed("transformers") or ""
BUDGET = Budget(train_examples=32, epochs=2, batch_size=8, max_length=16, precision="fp32")
METHODS_TRIED = ["full", "head", "bitfit", "lora", "dora", "ia3"]
BACKBONE = "backbone"
LOGITS = "logits.safetensors"

pytestmark = pytest.mark.skipif("EXCHANGE" not in os.environ, reason="make test-latest runs it, with two environments")


@pytest.fixture(scope="module")
def place() -> Path:
    """The folder of both."""
    return Path(os.environ["EXCHANGE"])


def logits(folder: Path, method: str, task: Task) -> torch.Tensor:
    """Return the answers (examples, labels) of the adapter stored in a folder, on the backbone of both."""
    backbone = open_backbone(str(folder.parent / BACKBONE))
    store = AdapterStore(folder / "adapters")
    (stored,) = (store.verify(name) for name in store.ids() if store.get(name).manifest.method == method)
    return torch.as_tensor(
        predict(open_adapter(stored, backbone), task.splits["test"], backbone.tokenizer, BUDGET.max_length)
    )


def test_adapters_are_written(place: Path, bert: Path, task: Task) -> None:
    own = place / VERSION
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    if not (place / BACKBONE).is_dir():  # the first to come is 4.57, which cannot read a tokenizer that 5 has saved
        shutil.copytree(bert, place / BACKBONE)
    backbone, store = open_backbone(str(place / BACKBONE)), AdapterStore(own / "adapters")
    for method in METHODS_TRIED:
        adaptation = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32")
        learn(Lesson(task, adaptation, BUDGET, 0), store, Silent(), method)
    save_file({method: logits(own, method, task) for method in METHODS_TRIED}, own / LOGITS)


@pytest.mark.parametrize("method", METHODS_TRIED)
def test_adapters_of_the_other_version_answer_alike(method: str, place: Path, task: Task) -> None:
    others = [path.parent for path in place.glob(f"*/{LOGITS}") if path.parent.name[0] != VERSION[0]]
    if not others:
        pytest.skip("nothing was written by another major version yet")
    for other in others:
        torch.testing.assert_close(logits(other, method, task), load_file(other / LOGITS)[method], rtol=1e-5, atol=1e-6)
