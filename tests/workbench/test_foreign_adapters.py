"""Folders of adapters as somebody else may send them: nothing of them runs, and what does not fit is one message."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.fusion.composing.compatibility import require_compatible
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lora import read
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.manifest import MANIFEST, read_manifest
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.serving import Serving
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnsafeConfigError, WorkbenchError
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import adaptation_of, describe, keep, open_adapter, open_head
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import toy
from tests.damage import pipe, within
from tests.messages import lacks, naming

CONFIG = "adapter_config.json"
CANARY = "canary"


@pytest.fixture(scope="module")
def made(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StoredAdapter]:
    """Make an adapter of a method, once for each method."""
    store, task = AdapterStore(tmp_path_factory.mktemp("adapters")), toy("classification")

    def make(method: str) -> StoredAdapter:
        adaptation = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32")
        model = adaptation.fresh(task.kind, 2, seed=0)
        record = FitRecord((), 0, 0.5, 0, 0.0, None, 1)
        budget = Budget(max_length=16)
        return keep(model, adaptation, describe(f"a-{method}", task, adaptation, budget, 0, record), store)

    return make


@pytest.fixture
def sent(made: Callable[[str], StoredAdapter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a copy of an adapter's folder, with a module in it that leaves a file behind when it is run."""

    def copy(method: str = "lora") -> Path:
        folder = shutil.copytree(made(method).folder, tmp_path / "sent")
        code = f"from pathlib import Path\nPath({str(tmp_path / CANARY)!r}).touch()\n"
        (folder / "evil_megatron.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        return sealed(folder)

    return copy


def sealed(folder: Path, **keys: Any) -> Path:
    """Give a folder a manifest with the digests of its files, as a sender who changes them would."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) | keys
    files = {path.relative_to(folder).as_posix(): digest(path) for path in folder.rglob("*") if path.is_file()}
    del files[MANIFEST]
    content["files"] = files
    content["sha256"] = key({name: value for name, value in content.items() if name != "sha256"})
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return folder


def change(folder: Path, **keys: Any) -> Path:
    content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps({**content, **keys}), encoding="utf-8")
    return sealed(folder)


def refused(folder: Path, backbone: Backbone, expected: type[WorkbenchError] = InputError) -> str:
    """Make sure that a folder is neither imported nor opened nor hosted; return what opening it says."""
    store, messages = AdapterStore(folder.parent / "other"), []
    for act in (
        lambda: open_adapter(store.import_(folder, backbone.name), backbone),
        lambda: open_adapter(StoredAdapter(read_manifest(folder), folder), backbone),
        lambda: Serving([StoredAdapter(read_manifest(folder), folder)], backbone),
    ):
        with pytest.raises(expected) as caught:
            act()
        messages.append(str(caught.value))
    assert max(len(message) for message in messages) < 3000
    assert not (folder.parent / CANARY).exists(), "foreign code was run"
    return messages[1]


@pytest.mark.parametrize(
    "keys",
    [
        {"megatron_config": {"tensor_model_parallel_size": 1}, "megatron_core": "evil_megatron"},
        {"megatron_core": "evil_megatron"},
        {"auto_mapping": {"base_model_class": "Model", "parent_library": "evil_megatron"}},
        {"tokenizer_name_or_path": "owner/tokenizer"},
        {"init_lora_weights": "corda"},
        {"init_lora_weights": "lora_ga"},
        {"corda_config": {"cache_file": "covariance.pt"}},
        {"eva_config": {}},
        {"auto_map": {"AutoModel": "evil_megatron.M"}},
        {"adapters": {"0": "owner/adapter"}},
        {"trust_remote_code": True},
    ],
    ids=str,
)
def test_a_config_that_leads_elsewhere_is_refused(
    sent: Callable[..., Path], backbone: Backbone, keys: dict[str, Any]
) -> None:
    assert next(iter(keys)) in refused(change(sent(), **keys), backbone, UnsafeConfigError)


@pytest.mark.parametrize("kind", ["XLORA", "MULTITASK_PROMPT_TUNING", "NONSENSE", 3, None, []], ids=str)
def test_a_kind_of_adapter_that_nothing_here_writes_is_refused(
    sent: Callable[..., Path], backbone: Backbone, kind: object
) -> None:
    assert "peft_type" in refused(change(sent(), peft_type=kind), backbone)


@pytest.mark.parametrize("config", ["owner/config", None, 3, "pfeiffer"], ids=str)
def test_a_bottleneck_s_config_is_never_a_name(sent: Callable[..., Path], backbone: Backbone, config: object) -> None:
    refused(change(sent("pfeiffer"), config=config), backbone)


@pytest.mark.parametrize(
    ("method", "weights", "pickled"),
    [
        ("lora", "adapter_model.safetensors", "adapter_model.bin"),
        ("pfeiffer", "adapter.safetensors", "pytorch_adapter.bin"),
    ],
)
def test_pickled_weights_are_not_taken_in_place_of_safetensors(
    sent: Callable[..., Path], backbone: Backbone, method: str, weights: str, pickled: str
) -> None:
    folder = sent(method)
    torch.save(load_file(folder / weights), folder / pickled)
    assert "pickled" in refused(sealed(folder), backbone, UnsafeConfigError), "beside them"
    (folder / weights).unlink()
    assert "pickled" in refused(sealed(folder), backbone, UnsafeConfigError)
    (folder / pickled).unlink()
    assert weights in refused(sealed(folder), backbone)


@pytest.mark.parametrize(
    ("method", "weights"),
    [("lora", "adapter_model.safetensors"), ("pfeiffer", "adapter.safetensors"), ("bitfit", "model.safetensors")],
)
def test_a_missing_tensor_is_not_drawn_anew(
    sent: Callable[..., Path], backbone: Backbone, method: str, weights: str
) -> None:
    folder = sent(method)
    tensors = load_file(folder / weights)
    gone = sorted(tensors)[0]
    del tensors[gone]
    save_file(tensors, folder / weights, {"format": "pt"})
    with pytest.raises(InputError, match="missing"):
        open_adapter(StoredAdapter(read_manifest(sealed(folder)), folder), backbone)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("file", ["adapter_model.safetensors", "head.safetensors"])
def test_a_weight_that_is_no_number_is_refused_wherever_it_is_read(
    sent: Callable[..., Path], backbone: Backbone, file: str, number: float
) -> None:
    folder = sent()
    tensors = load_file(folder / file)
    changed = sorted(tensors)[-1]
    tensors[changed].view(-1)[3 % tensors[changed].numel()] = number
    save_file(tensors, folder / file, {"format": "pt"})
    message = refused(sealed(folder), backbone)
    assert f"{folder / file}: the tensor {changed} holds NaN or infinity" in message
    store = AdapterStore(folder.parent)
    with pytest.raises(IntegrityError, match="holds NaN or infinity"):
        store.verify(folder.rename(folder.with_name("a-lora")).name)
    assert store.damage("a-lora")
    if file != "head.safetensors":
        with pytest.raises(InputError, match="holds NaN or infinity"):
            lora.read(folder.with_name("a-lora"))


@pytest.mark.parametrize("file", [CONFIG, MANIFEST, "adapter_model.safetensors", "head.safetensors"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(
    sent: Callable[..., Path], backbone: Backbone, file: str
) -> None:
    folder = sent()
    stored = StoredAdapter(read_manifest(folder), folder)
    pipe(folder / file)
    with within(20):
        with pytest.raises(WorkbenchError):
            AdapterStore(folder.parent / "other").import_(folder, backbone.name)
        if file != MANIFEST:
            with pytest.raises(InputError):
                open_adapter(stored, backbone)


@pytest.mark.parametrize(
    ("method", "keys", "reason"),
    [
        ("lora", {"target_modules": ["query"]}, r"target_modules is \['query'\], and \[.*'value'.*\] by its manifest"),
        ("lora", {"layers_to_transform": [0]}, r"layers_to_transform is \[0\], and None by"),
        ("lora", {"lora_alpha": 0}, "lora_alpha is 0, and 16.0 by its manifest"),
        ("lora", {"r": 4}, "r is 4, and 8 by its manifest"),
        ("lora", {"alpha_pattern": {"query": 1}}, "alpha_pattern is {'query': 1}, and {} by its manifest"),
        ("lora", {"use_rslora": True}, "use_rslora is True, and False"),
        ("lora", {"modules_to_save": ["pooler"]}, r"modules_to_save is \['pooler'\], and None by"),
        ("lora", {"lora_alpha": None}, "lora_alpha is None, and 16.0 by its manifest"),
        ("lora", {"peft_type": "LOHA"}, "peft_type is 'LOHA', and 'LORA' by its manifest"),
        ("prompt", {"num_virtual_tokens": 3}, "num_virtual_tokens is 3, and 20 by its manifest"),
        ("lora+bitfit", {"lora_alpha": 1}, "peft: lora_alpha is 1, and 16.0 by its manifest"),
        ("pfeiffer", {"reduction_factor": 2}, "reduction_factor is 2, and 16.0 by its manifest"),
        ("pfeiffer", {"scaling": 0.0}, "scaling is 0.0, and 1.0 by its manifest"),
        ("pfeiffer", {"leave_out": [0]}, r"leave_out is \[0\], and \[\] by its manifest"),
    ],
    ids=str,
)
def test_a_config_that_contradicts_the_manifest_is_refused_with_both_values(
    sent: Callable[..., Path], backbone: Backbone, method: str, keys: dict[str, Any], reason: str
) -> None:
    folder = sent(method)
    (path,) = folder.rglob(CONFIG)
    content = json.loads(path.read_text(encoding="utf-8"))
    content.get("config", content).update(keys)  # in those of the package adapters, a part of it
    path.write_text(json.dumps(content), encoding="utf-8")
    stored = StoredAdapter(read_manifest(sealed(folder)), folder)
    with pytest.raises(InputError, match=f"{folder.name}: .*{reason}"):
        open_adapter(stored, backbone)
    if method not in ("prompt", "lora+bitfit"):  # their libraries keep one adapter at a time
        with pytest.raises(InputError, match=reason):
            Serving([stored], backbone)
    if method == "lora":
        with pytest.raises(InputError):
            require_compatible([stored], backbone)


@pytest.mark.parametrize(
    ("method", "weights", "name", "reason"),
    [
        ("lora", "adapter_model.safetensors", "base_model.model.pooler.dense.lora_A.weight", "no place"),
        ("lora", "adapter_model.safetensors", "encoder.layer.0.output.dense.bias", "weight of the backbone"),
        ("lora", "adapter_model.safetensors", "base_model.model.embeddings.LayerNorm.bias", "weight of the backbone"),
        ("prompt", "adapter_model.safetensors", "more", "no place"),
        ("pfeiffer", "adapter.safetensors", "encoder.layer.9.output.adapters.workbench.x.weight", "no place"),
        ("pfeiffer", "adapter.safetensors", "encoder.layer.0.output.dense.bias", "weight of the backbone"),
        ("bitfit", "model.safetensors", "encoder.layer.9.output.dense.bias", "no place"),
        ("bitfit", "model.safetensors", "encoder.layer.0.output.dense.weight", "weight of the backbone"),
        ("diff-pruning", "delta.safetensors", "encoder.layer.9.output.dense.bias.places", "no place"),
        ("lora", "head.safetensors", "more", "more"),
    ],
    ids=str,
)
def test_a_tensor_that_has_no_place_is_not_dropped_and_none_replaces_the_backbone_s(
    sent: Callable[..., Path], backbone: Backbone, method: str, weights: str, name: str, reason: str
) -> None:
    folder = sent(method)
    own = backbone.load().state_dict().get(name.removeprefix("base_model.model."), torch.ones(3))
    save_file({**load_file(folder / weights), name: own + 1}, folder / weights, {"format": "pt"})
    with pytest.raises(InputError, match=reason) as caught:
        open_adapter(StoredAdapter(read_manifest(sealed(folder)), folder), backbone)
    assert name in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x00" * 64], ids=len)
@pytest.mark.parametrize("file", [CONFIG, "adapter_model.safetensors", "head.safetensors"])
def test_a_broken_file_is_one_message(sent: Callable[..., Path], backbone: Backbone, file: str, content: bytes) -> None:
    folder = sent()
    (folder / file).write_bytes(content)
    assert folder.name in refused(sealed(folder), backbone)


@pytest.mark.parametrize(
    "keys",
    [
        {"method": "nonsense"},
        {"method": "full"},
        {"library": "adapters"},
        {"settings": {"rank": "many"}},
        {"settings": {"unknown": 1}},
        {"budget": {"max_length": 10**6}},
    ],
    ids=str,
)
def test_a_manifest_that_does_not_fit_is_one_message(
    sent: Callable[..., Path], backbone: Backbone, keys: dict[str, Any]
) -> None:
    folder = sealed(sent(), **keys)
    with pytest.raises(InputError):
        open_adapter(StoredAdapter(read_manifest(folder), folder), backbone)


def test_settings_of_a_manifest_that_do_not_fit_are_named(sent: Callable[..., Path], backbone: Backbone) -> None:
    folder = sealed(sent(), settings={"rank": "many", "unknown": 1})
    with pytest.raises(InputError) as caught:
        open_adapter(StoredAdapter(read_manifest(folder), folder), backbone)
    assert lacks(str(caught.value), "a-lora: 'settings.rank': ", "valid integer") == []
    assert "a-lora: unknown key 'settings.unknown'" in str(caught.value)


@pytest.mark.parametrize("given", ["SEQ_CLS", "CAUSAL_LM", "NOPE", 3, [], {}])
def test_a_config_for_a_model_with_a_head_is_one_message(
    sent: Callable[..., Path], backbone: Backbone, given: object
) -> None:
    folder = change(sent(), task_type=given)
    with pytest.raises(InputError, match=naming("task_type: ", "here it is 'FEATURE_")):
        open_adapter(StoredAdapter(read_manifest(folder), folder), backbone)


@pytest.mark.parametrize("labels", [["a"], ["a", "b", "c"], []], ids=len)
def test_a_head_of_other_labels_is_one_message(
    sent: Callable[..., Path], backbone: Backbone, labels: list[str]
) -> None:
    folder = sent()
    task = json.loads((folder / MANIFEST).read_text())["task"] | {"labels": labels}
    with pytest.raises(InputError, match=rf"head .*its bias has 2 rows, but the task has {len(labels)} "):
        open_adapter(StoredAdapter(read_manifest(sealed(folder, task=task)), folder), backbone)


@pytest.mark.parametrize(
    "keys", [{"fit": 3}, {"task": None}, {"seed": "zero"}, {"precision": "fp8"}, {"files": []}, {"more": 1}], ids=str
)
def test_a_manifest_of_other_types_is_one_message(sent: Callable[..., Path], keys: dict[str, Any]) -> None:
    folder = sent()
    content = json.loads((folder / MANIFEST).read_text()) | keys
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(IntegrityError, match="no readable manifest"):
        read_manifest(folder)


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "bitfit", "prompt", "mam", "lora+bitfit"])
def test_what_is_stored_here_may_be_opened(
    made: Callable[[str], StoredAdapter], backbone: Backbone, method: str
) -> None:
    stored = made(method)
    other = AdapterStore(stored.folder.parent.parent / "imported").import_(stored.folder, backbone.name)
    assert open_adapter(other, backbone)


SLOW = r"(\w+\.?)+!"  # with the name of any module it takes Python's engine for ever


@pytest.mark.parametrize(
    "keys",
    [
        {"target_modules": SLOW},
        {"modules_to_save": [SLOW]},
        {"layers_to_transform": [0], "layers_pattern": SLOW},
        {"rank_pattern": {SLOW: 4}},
    ],
    ids=lambda keys: [*keys][-1],
)
def test_an_expression_that_takes_for_ever_is_one_message(
    sent: Callable[..., Path], backbone: Backbone, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.backbone.module_patterns.SECONDS", 0.1)
    folder = change(sent(), **keys)
    stored = StoredAdapter(read_manifest(folder), folder)
    with pytest.raises(InputError, match=rf"{[*keys][-1]}|the names of modules"):
        open_adapter(stored, backbone)
    adaptation, head = adaptation_of(stored.manifest, backbone), open_head(stored, backbone)
    with pytest.raises(InputError, match=f"{[*keys][-1]}: .* modules: it takes"):
        adaptation.load(folder, head, "classification")  # as strategies do, whose states have no manifest


def test_an_expression_that_takes_for_ever_is_not_composed(
    sent: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.backbone.module_patterns.SECONDS", 0.1)
    folder = change(sent(), alpha_pattern={SLOW: 4})
    with pytest.raises(InputError, match=naming("alpha_pattern: ", "the names of modules")):
        read(folder)


def test_expressions_as_people_write_them_are_matched(sent: Callable[..., Path], backbone: Backbone) -> None:
    folder = change(
        sent(),
        target_modules=r"^(?:.*\.)?layer\.\d+\.attention\.self\.(query|value)$",
        rank_pattern={"a\\.b": 4},
        alpha_pattern={"a\\.b": 8},
    )
    assert open_adapter(StoredAdapter(read_manifest(folder), folder), backbone)


def test_an_expression_of_a_recipe_that_takes_for_ever_is_one_message(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.workbench.backbone.module_patterns.SECONDS", 0.1)
    settings = METHODS.get("lora").settings(targets=SLOW)
    with pytest.raises(InputError, match=r"targets: target_modules: .* cannot be matched"):
        Adaptation(backbone, "lora", settings, "fp32").require_possible("classification")
