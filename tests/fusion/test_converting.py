"""An adapter of another method as a LoRA: the same answers at full rank, the best approximation below it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from adapter_workbench.fusion.composing.converting import as_lora
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes._weights import changes
from adapter_workbench.workbench.training import Lesson, learn
from tests.fusion_sources import BUDGET

Train = Callable[[str], StoredAdapter]


@pytest.fixture(scope="module")
def train(backbone: Backbone, task: Task, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Return the adapter of a method on the tiny task, trained once."""
    store = AdapterStore(tmp_path_factory.mktemp("store"))

    def train(method: str) -> StoredAdapter:
        adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=2e-2), "fp32")
        return learn(Lesson(task, adaptation, BUDGET, 0), store, Silent(), "source")

    return train


@pytest.mark.parametrize("method", ["fourierft", "delora", "miss"])
def test_at_full_rank_the_answers_are_the_same(method: str, train: Train, backbone: Backbone, task: Task) -> None:
    stored = train(method)
    model, settings = as_lora(stored, backbone, 32)
    rows = task.splits["test"]
    actual, expected = (
        predict(opened, rows, backbone.tokenizer, 16) for opened in (model, open_adapter(stored, backbone))
    )
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert settings.rank == (16 if method == "miss" else 32), "MiSS has its own rank, and is exact at it"
    assert lora.layers(model.body).keys() == {*settings.targets}  # type: ignore[misc]


def test_below_it_stand_the_strongest_directions(train: Train, backbone: Backbone) -> None:
    """Eckart–Young: the error is what the left-out singular values hold."""
    stored = train("c3a")
    model, _ = as_lora(stored, backbone, 3)
    exact = {
        change.name.removesuffix(".weight"): change for change in changes(open_adapter(stored, backbone).body, backbone)
    }
    for name, layer in lora.layers(model.body).items():
        pair, change = lora.pair_in(layer), exact[name]
        lost = torch.linalg.norm(change.delta - pair.b @ pair.a)
        torch.testing.assert_close(lost.double(), change.singular_values[3:].norm(), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("method", "rank", "message"),
    [
        ("lora", 8, "a LoRA already"),
        ("hra", 8, "convert hra"),
        ("pfeiffer", 8, "only adapters of peft"),
        ("delora", 33, "rank 33"),
    ],
)
def test_what_cannot_be_converted_is_refused(
    method: str, rank: int, message: str, train: Train, backbone: Backbone
) -> None:
    with pytest.raises(InputError, match=message):
        as_lora(train(method), backbone, rank)
