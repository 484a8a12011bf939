"""``targets: all-linear``: the modules that peft means by it, without the pooler that nothing here reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, BertModel, PreTrainedModel

from adapter_workbench.fusion.composing.fuse import composition_id, fuse, keep_composition
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from tests.elsewhere.architectures import write_base
from tests.fusion_sources import BUDGET, TASKS, hidden, request_for, train_sources

LORAS = ("lora", "dora", "rslora", "lora-plus", "lora-fa", "pissa", "adalora", "loha", "vera")


def of_peft(model: PreTrainedModel) -> set[str]:
    """Return which modules of a model peft's own all-linear adapts, by their names in the body."""
    wrapped = get_peft_model(model, LoraConfig(target_modules="all-linear"))
    prefix = f"{model.base_model_prefix}." if model.base_model is not model else ""
    return {
        name.removeprefix(f"{lora.PREFIX}{prefix}") for name, part in wrapped.named_modules() if hasattr(part, "lora_B")
    }


def body_of(backbone: Backbone, method: str = "lora", kind: str = "classification") -> torch.nn.Module:
    settings = METHODS.get(method).settings(targets="all-linear", learning_rate=1e-3)
    return Adaptation(backbone, method, settings, "fp32").fresh(kind, 2, 0).body


def test_of_bert_it_is_every_layer_but_the_pooler(bert: Path) -> None:
    expected = of_peft(BertModel(AutoConfig.from_pretrained(bert), add_pooling_layer=False))
    assert lora.layers(body_of(open_backbone(str(bert)))).keys() == expected
    assert len(expected) == 2 * 6


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "t5"])
def test_of_a_language_model_the_output_layer_is_none_of_them(
    architecture: str, llama: Path, t5: Path, tmp_path: Path
) -> None:
    folder = {"llama": llama, "t5": t5}.get(architecture) or write_base(tmp_path, architecture)
    loader, kind = (AutoModelForSeq2SeqLM, "seq2seq") if architecture == "t5" else (AutoModelForCausalLM, "causal-lm")
    expected = of_peft(loader.from_config(AutoConfig.from_pretrained(folder)))
    adapted = lora.layers(body_of(open_backbone(str(folder)), kind=kind))
    assert adapted.keys() == expected
    assert "lm_head" not in expected


@pytest.mark.parametrize("bits", ["nf4", "int8"])
def test_of_packed_weights_it_is_the_same(bits: str, bert: Path) -> None:
    plain, packed = (lora.layers(body_of(open_backbone(name))) for name in (str(bert), f"{bert}:{bits}"))
    assert packed.keys() == plain.keys()


@pytest.mark.parametrize("method", LORAS)
def test_other_methods_take_it_too(method: str, bert: Path) -> None:
    backbone = open_backbone(str(bert))
    assert not METHODS.get(method).objection(METHODS.get(method).settings(targets="all-linear"), backbone.config, "")
    names = [name for name, parameter in body_of(backbone, method).named_parameters() if parameter.requires_grad]
    for part in ("attention.self.key", "attention.output.dense", "intermediate.dense", "layer.1.output.dense"):
        assert any(part in name for name in names), part
    assert not any("pooler" in name for name in names)


def test_such_loras_are_stored_opened_and_composed_with_others(bert: Path, tmp_path: Path) -> None:
    backbone, store = open_backbone(str(bert)), AdapterStore(tmp_path / "fused")
    (every,) = train_sources(backbone, tmp_path / "every", "lora", count=1, rank=2, targets="all-linear")
    given = tuple(lora.read(every.folder))
    named, other = train_sources(backbone, tmp_path / "named", "lora", count=2, rank=2, targets=given)
    _, few = train_sources(backbone, tmp_path / "few", "lora", count=2, rank=2)
    assert every.manifest.settings["targets"] == "all-linear"
    assert torch.equal(hidden(open_adapter(every, backbone).body), hidden(open_adapter(named, backbone).body))
    for name, sources in (("average", (every, few)), ("arrow-tokens", (every, other))):
        settings, request = COMPOSITIONS.get(name).settings(), request_for(sources, TASKS[2], backbone, BUDGET)
        fused = fuse(name, request, settings)
        expected = hidden(fused.model.body)
        kept = keep_composition(composition_id(name, request, settings), fused, name, request, settings, store)
        torch.testing.assert_close(hidden(open_adapter(kept, backbone).body), expected)
