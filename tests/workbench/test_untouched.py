"""Every write to a backbone is noticed by its memory pages; where the machine tells of none, the weights are read."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone import fingerprints
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.machine import page_table
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.checkpoints import rewritten, saved
from tests.process_memory import settled_files

needs_pages = pytest.mark.skipif(not page_table.is_told(), reason="this machine does not tell of written pages")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    settled_files(monkeypatch)


@pytest.fixture(params=["float32", "bfloat16"])
def frozen(request: pytest.FixtureRequest, bert: Path, tmp_path: Path) -> Backbone:
    """A backbone in the type that its files are in."""
    dtype = getattr(torch, request.param)
    return open_backbone(str(saved("BertModel", bert, tmp_path / "model", dtype=dtype)))


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How often weights were read to compare them."""
    looks: list[str] = []
    compute = fingerprints.fingerprint
    monkeypatch.setattr(
        "adapter_workbench.workbench.backbone.pretrained.fingerprint",
        lambda weights: looks.append("read") or compute(weights),
    )
    yield looks


def weight_of(body: nn.Module) -> Any:
    return body.get_parameter("encoder.layer.1.output.dense.weight")


def written(body: nn.Module) -> None:
    with torch.no_grad():
        weight_of(body)[3, 5] += 1


def written_past_the_counter(body: nn.Module) -> None:
    weight_of(body).data[3, 5] += 1


def written_through_an_array(body: nn.Module) -> None:
    weight_of(body).detach().numpy()[3, 5] += 1


def written_by_address(body: nn.Module) -> None:
    ctypes.memset(weight_of(body).data_ptr(), 1, 1)


def given_other_data(body: nn.Module) -> None:
    weight_of(body).data = weight_of(body).data + 1


def given_another_parameter(body: nn.Module) -> None:
    body.get_submodule("encoder.layer.1.output.dense").weight = nn.Parameter(weight_of(body) + 1)


def given_another_of_its_parameters(body: nn.Module) -> None:
    weight_of(body).data = body.get_parameter("encoder.layer.0.output.dense.weight").data


def turned(body: nn.Module) -> None:
    square = body.get_parameter("encoder.layer.1.output.dense.weight".replace("output.dense", "attention.self.query"))
    square.data = square.data.T


def with_one_more(body: nn.Module) -> None:
    body.extra = nn.Parameter(torch.zeros(1))


CHANGES = [
    written,
    written_past_the_counter,
    written_through_an_array,
    written_by_address,
    given_other_data,
    given_another_parameter,
    given_another_of_its_parameters,
    turned,
    with_one_more,
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(change: Callable[[nn.Module], None], frozen: Backbone) -> None:
    body = frozen.load()
    assert frozen.is_intact(body)
    change(body)
    assert not frozen.is_intact(body)
    assert frozen.is_intact(frozen.load()), "what one model writes no other sees"


@needs_pages
def test_nothing_is_read_where_nothing_was_written(
    frozen: Backbone, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)  # else what is widened is in no file
    body = frozen.load()
    body(input_ids=torch.tensor([[5, 6, 7]]))
    assert frozen.is_intact(body)
    assert looked_at == []


def test_what_was_written_and_put_back_is_intact(frozen: Backbone, looked_at: list[str]) -> None:
    body = frozen.load()
    before = weight_of(body).detach().clone()
    written(body)
    with torch.no_grad():
        weight_of(body).copy_(before)
    assert frozen.is_intact(body)
    assert looked_at == ["read"]


@pytest.mark.parametrize("tells", [True, False])
def test_a_machine_that_does_not_tell_has_them_read(
    tells: bool, bert: Path, looked_at: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_table, "is_told", lambda: tells and page_table.TABLE.exists())
    backbone = open_backbone(str(bert))
    body = backbone.load()
    assert backbone.is_intact(body)
    assert bool(looked_at) == (not tells or not page_table.TABLE.exists())
    written_past_the_counter(body)
    assert not backbone.is_intact(body)


@needs_pages
def test_files_that_changed_in_the_meantime_prove_nothing(bert: Path, tmp_path: Path, looked_at: list[str]) -> None:
    backbone = open_backbone(str(shutil.copytree(bert, tmp_path / "model")))
    body = backbone.load()
    assert backbone.is_intact(body)
    assert not looked_at
    rewritten(backbone.folder, lambda tensors: {name: tensor + 1 for name, tensor in tensors.items()})
    backbone.is_intact(body)
    assert looked_at == ["read"]


@needs_pages
def test_memory_of_no_file_is_not_taken_for_unwritten() -> None:
    own = torch.ones(5000)
    assert not page_table.are_unwritten([(own.data_ptr(), own.nbytes)])
    assert not page_table.are_unwritten([(1 << 62, 8)]), "no such memory"


class Careless:
    """A library that does what another one does, and also changes the backbone."""

    def __init__(self, library: Any, change: Callable[[nn.Module], None]) -> None:
        self.library, self.change = library, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.library, name)

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        self.change(body)
        attached: nn.Module = self.library.attach(body, config)
        return attached


@pytest.mark.parametrize("change", [written, written_past_the_counter, written_by_address])
def test_a_method_that_writes_into_the_backbone_leaves_no_adapter(
    change: Callable[[nn.Module], None], frozen: Backbone, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adaptation = Adaptation(frozen, "lora", METHODS.get("lora").settings(), "fp32")
    monkeypatch.setitem(adaptation.__dict__, "library", Careless(adaptation.library, change))
    store, budget = AdapterStore(tmp_path / "store"), Budget(epochs=1, batch_size=16, max_length=16, precision="fp32")
    with pytest.raises(IntegrityError, match="lora changed weights of the backbone"):
        learn(Lesson(task, adaptation, budget, 0), store, Silent(), "label")
    assert store.ids() == []


@needs_pages
def test_a_body_that_is_gone_is_forgotten(bert: Path) -> None:
    backbone = open_backbone(str(bert))
    before = len(fingerprints._loaded)
    body = backbone.load()
    assert len(fingerprints._loaded) == before + 1
    del body
    import gc

    gc.collect()
    assert len(fingerprints._loaded) <= before
