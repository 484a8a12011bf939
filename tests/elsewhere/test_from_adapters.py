"""Folders of the package adapters come in, and answer as that package does."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.answering.elsewhere.adapters_config import OF_PACKAGE
from adapter_workbench.workbench.answering.elsewhere.form import CLOSE
from adapter_workbench.workbench.answering.elsewhere.head_form import difference
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.methods.methods import METHODS
from tests.conftest import NOT_INSTALLED
from tests.elsewhere.package_adapters import classified, config_of, edited, sent_by_adapters, taken
from tests.messages import naming

if not installed_version("adapters"):
    pytest.skip(NOT_INSTALLED, allow_module_level=True)

CONFIGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # the package's name and fields of a config, by our method
    "pfeiffer": ("seq_bn", {}),
    "houlsby": ("double_seq_bn", {"reduction_factor": 4}),
    "parallel": ("par_bn", {}),
    "pfeiffer-inv": ("seq_bn_inv", {}),
    "houlsby-inv": ("double_seq_bn_inv", {}),
    "compacter": ("compacter", {"reduction_factor": 4}),
    "compacter-plus-plus": ("compacter++", {"reduction_factor": 4}),
    "loreft": ("loreft", {"r": 2}),
    "lora": ("lora", {"r": 4, "alpha": 6}),
    "ia3": ("ia3", {}),
}
PICKLED: Mapping[str, tuple[str, Mapping[str, Any]]] = {  # that the package cannot write: tensors are shared in them
    "prefix": ("prefix_tuning", {}),
    "prefix, flat": ("prefix_tuning_flat", {}),
    "mam": ("mam", {}),
    "unipelt": ("unipelt", {}),
    "pfeiffer, norms": ("seq_bn", {"ln_before": True, "ln_after": True}),
}
ROUNDED = {"loreft"}  # saving changes the order of a rotation in memory, and with it the last bit of its own answers
ODD = {  # what only the config says, and no setting
    "activation": {"non_linearity": "gelu"},
    "layers": {"reduction_factor": {"0": 4, "default": 8}, "leave_out": []},
    "left out": {"leave_out": [0]},
    "learned scale": {"scaling": "learned"},
    "attention alone": {"mh_adapter": True, "output_adapter": False},
}


def converted(error: UnsafeConfigError, scratch: Path) -> None:
    """Run the two lines that a message about pickled weights names."""
    lines = [line.strip() for line in str(error).splitlines() if "safetensors" in line and "(" in line]
    program = scratch / "convert.py"
    program.write_text("\n".join(lines[-2:]), encoding="utf-8")
    runpy.run_path(str(program))


@pytest.mark.parametrize("method", CONFIGS)
def test_answers_are_those_of_the_package(method: str, bert: Path, tmp_path: Path) -> None:
    name, fields = CONFIGS[method]
    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of(name, **fields), classified())()
    stored, logits = taken(tmp_path / "sent", bert)
    assert (stored.manifest.method, stored.manifest.task.labels) == (method, ("x", "y", "z"))
    assert stored.manifest.elsewhere and stored.manifest.elsewhere.program == "adapters"
    assert difference(logits, wanted) <= (CLOSE if method in ROUNDED else 0)


def test_all_methods_of_the_package_are_known() -> None:
    of_registry = {name for name in METHODS.names() if METHODS.get(name).library == "adapters"}
    assert {*OF_PACKAGE} == of_registry


@pytest.mark.parametrize("case", ODD)
def test_config_decides_what_is_computed(case: str, bert: Path, tmp_path: Path) -> None:
    name = "par_bn" if case == "learned scale" else "seq_bn"
    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of(name, **ODD[case]), classified())()
    assert torch.equal(taken(tmp_path / "sent", bert)[1], wanted)


@pytest.mark.parametrize("case", PICKLED)
def test_two_lines_convert_a_pickle(case: str, bert: Path, tmp_path: Path) -> None:
    sent, (config, fields) = tmp_path / "sent", PICKLED[case]
    wanted = sent_by_adapters(bert, sent, config_of(config, **fields), classified(), pickled=True)()
    for name in ("pytorch_adapter.bin", "pytorch_model_head.bin"):
        with pytest.raises(UnsafeConfigError, match="pickled weights") as refused:
            taken(sent, bert)
        assert name in str(refused.value)
        converted(refused.value, tmp_path)
    stored, logits = taken(sent, bert)
    assert stored.manifest.method == case.partition(",")[0]
    assert not [path for path in stored.folder.iterdir() if path.suffix == ".bin"]
    assert difference(logits, wanted) <= (CLOSE if "pfeiffer" not in case else 0)  # prefixes: the eager attention


def test_a_folder_of_version_3(bert: Path, tmp_path: Path) -> None:
    """What adapter-transformers 3 wrote, and the hub has: other classes, old names of weights, no later keys."""
    from safetensors.torch import load_file, save_file

    sent = tmp_path / "sent"
    wanted = sent_by_adapters(bert, sent, config_of("houlsby", non_linearity="gelu"), classified())()
    later = {"dropout", "init_weights_seed", "stochastic_depth", "is_parallel", "scaling", "use_gating"}
    config = json.loads((sent / "adapter_config.json").read_text(encoding="utf-8"))["config"]
    old = {key: value for key, value in config.items() if key not in later and not key.startswith("phm_")}
    common = {"version": "3.2.1", "model_class": "BertModelWithHeads"}
    edited(sent / "adapter_config.json", config=old, type="text_task", **common)
    edited(sent / "head_config.json", **common)
    weights = {
        name.replace(".attention.output.adapters.", ".attention.output.attention_text_task_adapters.").replace(
            ".output.adapters.", ".output.layer_text_task_adapters."
        ): tensor
        for name, tensor in load_file(sent / "adapter.safetensors").items()
    }
    save_file(weights, sent / "adapter.safetensors")
    stored, logits = taken(sent, bert)
    assert stored.manifest.method == "houlsby"
    assert torch.equal(logits, wanted)


def test_an_invertible_part_that_was_never_there(bert: Path, tmp_path: Path) -> None:
    """Version 1 wrote one into the configs of all adapters of tasks."""
    sent = tmp_path / "sent"
    wanted = sent_by_adapters(bert, sent, config_of("seq_bn"), classified())()
    config = config_of("seq_bn_inv").to_dict()
    edited(sent / "adapter_config.json", config=config, type="text_task", version="2.0.0")
    stored, logits = taken(sent, bert)
    assert stored.manifest.method == "pfeiffer"
    assert torch.equal(logits, wanted)


def test_a_config_that_is_a_name(bert: Path, tmp_path: Path) -> None:
    wanted = sent_by_adapters(bert, tmp_path / "sent", config_of("pfeiffer"), classified())()
    edited(tmp_path / "sent" / "adapter_config.json", config="pfeiffer")
    assert torch.equal(taken(tmp_path / "sent", bert)[1], wanted)


def test_fitted_head_of_an_adapter_that_was_saved_alone(bert: Path, tmp_path: Path) -> None:
    from tests.streams import write_tasks

    write_tasks(tmp_path)
    sent_by_adapters(bert, tmp_path / "tasks" / "sent", config_of("seq_bn"), lambda model: None)
    stored, _ = taken(tmp_path / "tasks" / "sent", bert, task="animals")
    assert stored.manifest.elsewhere and stored.manifest.elsewhere.head
    with pytest.raises(InputError, match="no head"):
        taken(tmp_path / "tasks" / "sent", bert)


def test_head_for_something_else_is_none(bert: Path, tmp_path: Path) -> None:
    sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), lambda model: model.add_qa_head("sent"))
    with pytest.raises(InputError, match=naming("head", "question_answering")):
        taken(tmp_path / "sent", bert)


BOTTLENECK = {"reduction_factor": 4, "non_linearity": "relu", "mh_adapter": False, "output_adapter": True}
REFUSED: Mapping[str, tuple[Mapping[str, Any], str]] = {  # changes of adapter_config.json, and what the message says
    "architecture": ({"model_type": "roberta"}, "model_type: it was trained on 'roberta'"),
    "size": ({"hidden_size": 768}, "hidden_size: it was trained on 768"),
    "method": ({"config": {"architecture": "prompt_tuning"}}, "'prompt_tuning' "),
    "gated": ({"config": {"architecture": "lora", "use_gating": True}}, "with use_gating"),
    "union": (
        {"config": {"architecture": "union", "configs": [{"architecture": "lora"}, {"architecture": "reft"}]}},
        "a union of lora and reft",
    ),
    "a file": ({"config": "/etc/hosts"}, "is not the config of an adapter"),
    "no name": ({"name": None}, "the adapter's name in its weights is missing"),
    "another name": ({"name": "other"}, "the weights of .* are missing"),
    "narrower": (
        {"config": BOTTLENECK},
        r"adapters\.sent\.adapter_down\.0\.bias is 2, but its config asks for 8 on",
    ),
    "huge": ({"config": {"reduction_factor": 1e-9}}, "reduction_factor: 1e-09: Input should be"),
    "as huge": ({"config": {"architecture": "lora", "r": 10**12}}, "r: 1000000000000: Input should be"),
    "wide": ({"config": {**BOTTLENECK, "reduction_factor": 1 / 64, "mh_adapter": True}}, "is 2, but its config"),
    "no numbers": ({"config": {"mh_adapter": "?", "output_adapter": []}}, "cannot be opened"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused(case: str, bert: Path, tmp_path: Path) -> None:
    sent, (changes, message) = tmp_path / "sent", REFUSED[case]
    sent_by_adapters(bert, sent, config_of("seq_bn"), classified())
    edited(sent / "adapter_config.json", **changes)
    with pytest.raises(InputError, match=message):
        taken(sent, bert)
    assert not (tmp_path / "ws" / "adapters").exists()


@pytest.mark.parametrize("changes", [{"layers": 10**9}, {"num_labels": 10**9}, {"head_type": "causal_lm"}])
def test_a_head_that_is_not_as_its_config_says(changes: Mapping[str, Any], bert: Path, tmp_path: Path) -> None:
    sent_by_adapters(bert, tmp_path / "sent", config_of("seq_bn"), classified())
    path = tmp_path / "sent" / "head_config.json"
    edited(path, config={**json.loads(path.read_text(encoding="utf-8"))["config"], **changes})
    with pytest.raises(InputError):
        taken(tmp_path / "sent", bert)


def test_composed_adapters_are_refused(bert: Path, tmp_path: Path) -> None:
    from adapters import AutoAdapterModel, Fuse

    model = AutoAdapterModel.from_pretrained(bert)
    for name in ("one", "two"):
        model.add_adapter(name, config="seq_bn")
    model.add_adapter_fusion(["one", "two"])
    model.save_adapter_fusion(str(tmp_path / "fusion"), "one,two", use_safetensors=True)
    model.save_adapter_setup(str(tmp_path / "setup"), Fuse("one", "two"), use_safetensors=True)
    for folder in ("fusion", "setup"):
        with pytest.raises(InputError, match=r"composed adapters[^\0]*--method adapterfusion"):
            taken(tmp_path / folder, bert)
