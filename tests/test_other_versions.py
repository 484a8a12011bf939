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

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.workbench.test_backbone import change

VERSION = installed_version("transformers") or ""
BUDGET = Budget(train_examples=32, epochs=2, batch_size=8, max_length=16, precision="fp32")
METHODS_TRIED = ["full", "head", "bitfit", "lora", "dora", "ia3"]
BACKBONE, ROTARY = "backbone", "rotary"  # a BERT, and a LLaMA whose rotary positions are not its config's default
CASES = {**{method: (BACKBONE, method) for method in METHODS_TRIED}, "rotary": (ROTARY, "lora")}
LOGITS = "logits.safetensors"

pytestmark = pytest.mark.skipif("EXCHANGE" not in os.environ, reason="make test-latest runs it, with two environments")


@pytest.fixture(scope="module")
def exchange() -> Path:
    """The folder of both."""
    return Path(os.environ["EXCHANGE"])


def logits(folder: Path, case: str, task: Task) -> torch.Tensor:
    """Return the answers (examples, labels) of the adapter stored in a folder, on the backbone of both."""
    name, method = CASES[case]
    backbone = open_backbone(str(folder.parent / name))
    store = AdapterStore(folder / name)
    (stored,) = (store.verify(name) for name in store.ids() if store.get(name).manifest.method == method)
    return torch.as_tensor(
        predict(open_adapter(stored, backbone), task.splits["test"], backbone.tokenizer, BUDGET.max_length)
    )


def test_adapters_are_written(exchange: Path, bert: Path, llama: Path, task: Task) -> None:
    own = exchange / VERSION
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(parents=True)
    for name, folder in ((BACKBONE, bert), (ROTARY, llama)):
        if not (exchange / name).is_dir():  # the first to come is 4.57, which cannot read a tokenizer that 5 has saved
            shutil.copytree(folder, exchange / name)
    change(exchange / ROTARY, rope_theta=500_000.0)
    for case, (name, method) in CASES.items():
        adaptation = Adaptation(open_backbone(str(exchange / name)), method, METHODS.get(method).settings(), "fp32")
        learn(Lesson(task, adaptation, BUDGET, 0), AdapterStore(own / name), Silent(), case)
    save_file({case: logits(own, case, task) for case in CASES}, own / LOGITS)


@pytest.mark.parametrize("case", CASES)
def test_adapters_of_the_other_version_answer_alike(case: str, exchange: Path, task: Task) -> None:
    others = [path.parent for path in exchange.glob(f"*/{LOGITS}") if path.parent.name[0] != VERSION[0]]
    if not others:
        pytest.skip("nothing was written by another major version yet")
    for other in others:
        torch.testing.assert_close(logits(other, case, task), load_file(other / LOGITS)[case], rtol=1e-5, atol=1e-6)
