"""Models of one backbone share its weights in memory, and are as if each had been loaded for itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PretrainedConfig

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone import fingerprints, load_widened, shared_weights
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.backbone.shared_weights import Resident
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.machine import page_table, processes
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.checkpoints import BART, LLAMA, T5, saved
from tests.process_memory import as_another_process, settled_files

pytestmark = [
    pytest.mark.skipif(not page_table.is_told(), reason="this machine does not tell of written pages"),
    pytest.mark.skipif(torch.accelerator.is_available(), reason="the accelerator's memory is not the processor's"),
]

BUDGET = Budget(epochs=1, batch_size=16, max_length=16, precision="fp32")


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    settled_files(monkeypatch)
    as_another_process(monkeypatch)


@pytest.fixture
def halved(bert: Path, tmp_path: Path) -> Backbone:
    return open_backbone(str(saved("BertModel", bert, tmp_path / "halved", dtype=torch.bfloat16)))


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was loaded from files."""
    names: list[str] = []
    pretrained, read = Backbone.pretrained, load_widened.load_widened

    def listen(self: Backbone, *rest: Any, **options: Any) -> Any:
        names.append(self.name)
        return pretrained(self, *rest, **options)

    def listen_too(folder: Path, config: PretrainedConfig, precision: Any) -> Resident | None:
        made = read(folder, config, precision)
        if made:
            names.append(str(folder))
        return made

    monkeypatch.setattr(Backbone, "pretrained", listen)
    monkeypatch.setattr(load_widened, "load_widened", listen_too)
    return names


def lesson(backbone: Backbone, task: Task, method: str = "lora", seed: int = 0) -> Lesson:
    return Lesson(task, Adaptation(backbone, method, METHODS.get(method).settings(), "fp32"), BUDGET, seed)


@pytest.mark.parametrize(
    ("architecture", "settings"),
    [
        ("BertModel", {}),
        ("BertForMaskedLM", {}),  # lacks its pooler, which is drawn
        ("LlamaForCausalLM", {**LLAMA, "tie_word_embeddings": True}),
        ("GPT2LMHeadModel", {}),
        ("T5ForConditionalGeneration", T5),
        ("BartForConditionalGeneration", BART),
    ],
)
@pytest.mark.parametrize("from_files", [True, False])
def test_a_copy_is_what_a_load_is(
    from_files: bool,
    architecture: str,
    settings: dict[str, Any],
    bert: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn = architecture == "BertForMaskedLM"
    if not from_files:
        monkeypatch.setattr(load_widened, "load_widened", lambda *_: None)
    elif not drawn:
        monkeypatch.setattr(shared_weights, "move_weights", None)
    backbone = open_backbone(str(saved(architecture, bert, tmp_path / "model", dtype=torch.bfloat16, **settings)))
    fresh, copies = backbone.load(own=True), [backbone.load(), backbone.load()]
    assert len(shared_weights._resident) == 1
    ids = {"input_ids": torch.tensor([[5, 7, 2]])}
    inputs = {**ids, **({"decoder_input_ids": ids["input_ids"]} if fresh.config.is_encoder_decoder else {})}
    for body in copies:
        assert type(body) is type(fresh)
        assert not body.training
        assert [name for name, _ in body.named_parameters()] == [name for name, _ in fresh.named_parameters()]
        assert {module.training for module in body.modules()} == {False}
        for name, tensor in fresh.state_dict().items():
            assert torch.equal(body.state_dict()[name], tensor), name
        for name, buffer in fresh.named_buffers():
            assert torch.equal(body.get_buffer(name), buffer), name
        assert all(parameter.requires_grad for parameter in body.parameters())
        with torch.no_grad():
            assert torch.equal(body(**inputs).last_hidden_state, fresh(**inputs).last_hidden_state)
        assert body.config.to_dict() == fresh.config.to_dict()
        assert body.name_or_path == fresh.name_or_path == str(backbone.folder)
    assert copies[0].config is not copies[1].config
    assert {id(parameter) for parameter in copies[0].parameters()}.isdisjoint(map(id, copies[1].parameters()))


def test_a_process_loads_a_backbone_once(halved: Backbone, task: Task, tmp_path: Path, loads: list[str]) -> None:
    store = AdapterStore(tmp_path / "store")
    for method in ("lora", "pfeiffer", "ia3"):
        stored = learn(lesson(halved, task, method), store, Silent(), "label")
        open_adapter(stored, open_backbone(str(halved.folder)))
    assert loads == [halved.name]


def test_it_leaves_the_adapter_that_loading_for_each_fit_leaves(
    halved: Backbone, task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: list[str]
) -> None:
    folders = []
    for name in ("shared", "shared once more", "alone"):
        if name == "alone":
            monkeypatch.setattr(shared_weights, "open_shared", lambda state, precision, load, widen: load())
        folders.append(learn(lesson(halved, task), AdapterStore(tmp_path / name), Silent(), "label").folder)
    assert len(loads) == 2
    files = {path.name for path in folders[0].rglob("*.safetensors")}
    assert files == {"adapter_model.safetensors", "head.safetensors"}
    for file in files:
        assert len({digest(folder / file) for folder in folders}) == 1


@pytest.mark.parametrize("method", ["bitfit", "ln", "bitfit+lora"])
def test_whoever_trains_few_weights_shares_the_others(
    method: str, halved: Backbone, task: Task, tmp_path: Path, loads: list[str]
) -> None:
    first = halved.load()
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    stored = learn(lesson(halved, task, method), AdapterStore(tmp_path / "store"), Silent(), "label")
    open_adapter(stored, halved)
    assert len(loads) == 1
    for body in (first, halved.load()):
        assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())


def test_whoever_trains_all_weights_shares_none(halved: Backbone, task: Task, tmp_path: Path, loads: list[str]) -> None:
    first = halved.load()
    before = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    learn(lesson(halved, task, "full"), AdapterStore(tmp_path / "store"), Silent(), "label")
    assert len(loads) == 2
    assert not shared_weights._resident, "no memory is held beside what is trained"
    assert all(torch.equal(tensor, before[name]) for name, tensor in first.state_dict().items())


def test_processes_that_share_a_training_share_no_weights(
    halved: Backbone, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "count", lambda: 2)
    halved.load()
    halved.load()
    assert len(loads) == 2
    assert not shared_weights._resident


@torch.no_grad()
def test_what_one_model_writes_no_other_has(halved: Backbone) -> None:
    first, second = halved.load(), halved.load()
    before = {name: tensor.clone() for name, tensor in second.state_dict().items()}
    for parameter in first.parameters():
        parameter.data.fill_(7)
    for body in (second, halved.load()):
        assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())


def anonymous_memory() -> int:
    """Return the bytes of memory that are the process's own."""
    (line,) = (entry for entry in Path("/proc/self/status").read_text().splitlines() if entry.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def test_models_share_memory(bert: Path, tmp_path: Path) -> None:
    wide = {"hidden_size": 512, "intermediate_size": 2048}
    backbone = open_backbone(str(saved("BertModel", bert, tmp_path / "model", dtype=torch.bfloat16, **wide)))
    first = backbone.load()
    size = sum(parameter.nbytes for parameter in first.parameters())
    assert size > 25e6
    before = anonymous_memory()
    others = [backbone.load() for _ in range(6)]
    for body in others:
        body(input_ids=torch.tensor([[5, 6, 7]]))
    assert anonymous_memory() - before < size


def test_nobody_can_write_to_what_is_shared(halved: Backbone) -> None:
    halved.load()
    (copy,) = shared_weights._resident.values()
    for forbidden in (lambda: os.pwrite(copy.file.descriptor, b"0", 0), lambda: os.ftruncate(copy.file.descriptor, 0)):
        with pytest.raises(PermissionError):
            forbidden()


def test_the_newest_backbone_alone_is_kept(halved: Backbone, bert: Path, tmp_path: Path, loads: list[str]) -> None:
    body = halved.load()
    before = {name: tensor.clone() for name, tensor in body.state_dict().items()}
    other = open_backbone(str(saved("BertModel", bert, tmp_path / "other", dtype=torch.float16)))
    other.load()
    assert len(shared_weights._resident) == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in body.state_dict().items())
    halved.load()
    assert loads == [halved.name, other.name, halved.name]


def test_files_that_have_changed_are_loaded_again(halved: Backbone, loads: list[str]) -> None:
    first = halved.load()
    weights = halved.folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    second = halved.load()
    assert len(loads) == 2
    assert any(not torch.equal(*pair) for pair in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("from_files", [True, False])
@pytest.mark.parametrize("after", [0, 3])
def test_where_there_is_no_room_a_model_is_as_it_was_loaded(
    after: int, from_files: bool, halved: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, done = os.pwrite, []

    def full(*rest: Any) -> int:
        done.append(rest)
        if len(done) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(*rest)

    monkeypatch.setattr(os, "pwrite", full)
    if not from_files:
        monkeypatch.setattr(load_widened, "load_widened", lambda *_: None)
    body = halved.load()
    assert not shared_weights._resident
    assert fingerprints.fingerprint(body.named_parameters()) == halved.fingerprint


@pytest.mark.parametrize("architecture", ["BertModel", "BertForMaskedLM"])  # the latter's pooler is drawn
def test_weights_in_float32_stay_in_their_file(
    architecture: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = open_backbone(str(saved(architecture, bert, tmp_path / "model")))
    monkeypatch.setattr(Resident, "__init__", None)
    weights = {name: (weight.data_ptr(), weight.nbytes) for name, weight in backbone.load().named_parameters()}
    own = {name for name, span in weights.items() if not page_table.are_unwritten([span])}
    assert own == ({"pooler.dense.weight", "pooler.dense.bias"} if architecture == "BertForMaskedLM" else set())
