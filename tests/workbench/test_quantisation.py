"""Backbones in 4 and 8 bits: what is packed, what is refused, and that running one changes nothing of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from bitsandbytes import functional
from torch import nn

from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.backbone import quantisation
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.methods import METHODS, require_possible, trained_methods
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget, Quantization
from adapter_workbench.workbench.training import Lesson, learn, require_optimizer
from adapter_workbench.workbench.training.trainer import OPTIMIZERS, trainer_of
from tests.sampled import waiting
from tests.test_contracts import TINY

BITS = ("nf4", "int8")
FEW = Budget(
    epochs=2, batch_size=8, max_length=16, train_examples=32, eval_examples=4, precision="fp32"
)  # packed is slow


@pytest.fixture(params=BITS)
def packed(request: pytest.FixtureRequest, bert: Path) -> Backbone:
    return open_backbone(f"{bert}:{request.param}")


@pytest.fixture(params=BITS)
def packed_llama(request: pytest.FixtureRequest, llama: Path) -> Backbone:
    return open_backbone(f"{llama}:{request.param}")


def adapted(backbone: Backbone, method: str = "lora", precision: str = "fp32", **settings: object) -> Adaptation:
    card = METHODS.get(method)
    return Adaptation(backbone, method, card.settings.model_validate(settings), precision)  # type: ignore[arg-type]


def test_a_name_or_a_setting_says_how_it_is_kept(bert: Path) -> None:
    plain, named = open_backbone(str(bert)), open_backbone(f"{bert}:nf4")
    assert plain.quantized("nf4") == named
    assert plain.quantized(None) == plain
    assert named.quantized("nf4") == named
    assert (named.quantization, named.folder) == ("nf4", plain.folder)
    with pytest.raises(InputError, match="not int8"):
        named.quantized("int8")


def test_nf4_weights_are_those_of_bitsandbytes_and_only_linear_layers_are_packed(bert: Path) -> None:
    plain, body = open_backbone(str(bert)).load(), open_backbone(f"{bert}:nf4").load()
    name = "encoder.layer.1.intermediate.dense"
    layer = body.get_submodule(name)
    weight = plain.get_submodule(name).weight
    wanted, state = functional.quantize_4bit(weight.detach(), quant_type="nf4", compress_statistics=True)
    assert torch.equal(layer.weight, wanted)
    assert torch.equal(layer.weight.quant_state.absmax, state.absmax)
    own = dict(body.named_parameters())
    for key, parameter in plain.named_parameters():
        linear = isinstance(plain.get_submodule(key.rpartition(".")[0]), nn.Linear) and key.endswith("weight")
        assert (own[key].dtype == torch.uint8) == (linear and "pooler" not in key), key
        if own[key].dtype == torch.uint8:
            assert own[key].numel() == parameter.numel() / 2, "two weights a byte"


REFUSED = {"c3a", "delora", "diff-pruning", "gralora", "hra"}  # HRA on int8 would take packed numbers for weights


@pytest.mark.parametrize("bits", BITS)
def test_a_method_that_cannot_read_packed_weights_is_refused(bits: Quantization, bert: Path) -> None:
    config, refused = open_backbone(str(bert)).config, REFUSED | ({"loha", "lokr"} if bits == "nf4" else set())
    for method in (*sorted(refused), "lora+diff-pruning"):
        with pytest.raises(InputError, match=f"weights, and with {bits} these are packed"):
            require_possible(method, METHODS.get(method).settings(), config, "classification", bits=bits)


@pytest.mark.acceptance
def test_all_other_methods_learn_on_packed_weights(packed: Backbone) -> None:
    batch = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    refused = set()
    for method in trained_methods():
        try:
            model = adapted(packed, method, **TINY.get(method, {})).fresh("classification", 2, seed=0)
            model.train()(labels=torch.tensor([1]), **batch)["loss"].backward()
        except InputError:
            refused.add(method)
    own = {method for method in trained_methods() if METHODS.get(method).trains_backbone} | {"in-context"}
    assert refused - own == REFUSED | ({"loha", "lokr"} if packed.quantization == "nf4" else set())


def test_every_linear_layer_of_both_halves_is_packed(t5: Path) -> None:
    body = open_backbone(f"{t5}:nf4").load()
    kept = [name for name, module in body.named_modules() if type(module) is nn.Linear]
    assert kept == [name for name in kept if name.endswith(".wo")], "transformers keeps T5's wo in 32 bits"


def test_fingerprints_tell_bits_and_scales_apart(bert: Path) -> None:
    fingerprints = {bits: open_backbone(f"{bert}{bits}").fingerprint for bits in ("", ":nf4", ":int8")}
    assert len(set(fingerprints.values())) == 3
    assert open_backbone(f"{bert}:nf4").fingerprint == fingerprints[":nf4"]
    for bits, scale in ((":nf4", "absmax"), (":int8", "SCB")):
        body = open_backbone(f"{bert}{bits}").load()
        tensors = {name: tensor.clone() for name, tensor in quantisation.parameters(body)}
        assert fingerprint(tensors.items()) == fingerprints[bits]
        tensors[next(name for name in tensors if name.endswith(scale))] += 1
        assert fingerprint(tensors.items()) != fingerprints[bits]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_running_a_quantised_backbone_in_both_modes_leaves_its_bytes_and_its_gradients(
    packed: Backbone, precision: str
) -> None:
    adaptation = adapted(packed, precision=precision)
    model = adaptation.fresh("classification", 2, seed=0)
    batch = {"input_ids": torch.tensor([[2, 5, 6, 3]]), "attention_mask": torch.ones(1, 4, dtype=torch.long)}
    with torch.inference_mode():
        before = model.eval().states(**batch)
    model.train()(labels=torch.tensor([1]), **batch)["loss"].backward()
    # B is zero at first, so that A has no gradient yet; B of the first layer gets one through all frozen layers above
    first = [p for name, p in model.trainable().items() if "layer.0." in name and "lora_B" in name]
    assert first
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in first)
    with torch.inference_mode():
        assert torch.equal(model.eval().states(**batch), before)
    assert adaptation.backbone_is_intact(model)


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "head", *map(waiting, ["corda", "lora-ga", "pissa"])])
def test_an_adapter_on_a_quantised_backbone_learns_says_so_and_comes_back(
    packed: Backbone, method: str, task: Task, tmp_path: Path
) -> None:
    adaptation, store = adapted(packed, method, learning_rate=2e-2), AdapterStore(tmp_path)
    stored = learn(Lesson(task, adaptation, FEW, 0), store, Silent(), "test")

    epochs = stored.manifest.fit.epochs
    assert epochs[-1].train_loss < epochs[0].train_loss
    assert stored.manifest.backbone.quantization == packed.quantization
    readme = (stored.folder / "README.md").read_text(encoding="utf-8")
    assert "BitsAndBytesConfig(load_in_" in readme
    again = open_backbone(stored.manifest.backbone.name)
    first, second = (
        open_adapter(stored, opened).kind.answers(
            open_adapter(stored, opened), task.splits["test"], opened.tokenizer, FEW.max_length
        )
        for opened in (packed, again)
    )
    assert first.tobytes() == second.tobytes()
    with pytest.raises(InputError, match=f"{packed.quantization}', not on"):
        open_adapter(stored, open_backbone(str(packed.folder)))


def test_a_quantised_language_model_learns(packed_llama: Backbone, copying: Task, tmp_path: Path) -> None:
    adaptation = adapted(packed_llama, learning_rate=2e-2)
    stored = learn(Lesson(copying, adaptation, FEW, 0), AdapterStore(tmp_path), Silent(), "test")
    epochs = stored.manifest.fit.epochs
    assert epochs[-1].train_loss < epochs[0].train_loss


def test_training_the_backbone_itself_is_refused(packed: Backbone) -> None:
    with pytest.raises(InputError, match="stay packed") as refused:
        adapted(packed, "full").fresh("classification", 2, seed=0)
    assert "lora" in str(refused.value)


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_program_in_a_readme_can_load_packed_weights(kind: str) -> None:
    assert "{{ packed }}" in KINDS.get(kind).usage
    assert "BitsAndBytesConfig' if packed" in KINDS.get(kind).usage


def test_eight_bit_adamw_keeps_a_byte_a_moment(backbone: Backbone, budget: Budget, tmp_path: Path) -> None:
    adaptation = adapted(backbone, "full", optimizer="adamw-8bit")
    model = adaptation.fresh("classification", 2, seed=0)
    optimizer = trainer_of(model, adaptation, budget, 0, tmp_path, []).create_optimizer()
    weight = model.body.get_submodule("embeddings.word_embeddings").weight
    large = nn.Parameter(torch.randn(128, 64))  # smaller tensors than 4096 numbers are kept in 32 bits
    optimizer.add_param_group({"params": [large]})
    for parameter in (weight, large):
        parameter.grad = torch.ones_like(parameter)
    before = large.detach().clone()
    optimizer.step()
    assert not torch.equal(large, before)
    assert [optimizer.state[large][name].dtype for name in ("state1", "state2")] == [torch.uint8] * 2


def test_eight_bit_moments_leave_nothing_to_the_next_fit(backbone: Backbone, budget: Budget, tmp_path: Path) -> None:
    def begun(method: str, **settings: Any) -> tuple[Any, Any]:
        adaptation = adapted(backbone, method, optimizer="adamw-8bit", **settings)
        model = adaptation.fresh("classification", 2, seed=0)
        return model, trainer_of(model, adaptation, budget, 0, tmp_path, []).create_optimizer()

    model, optimizer = begun("full")
    embeddings = weakref.ref(model.body.get_submodule("embeddings.word_embeddings"))
    assert optimizer.get_config(0, 0, optimizer.param_groups[0])["optim_bits"] == 32, "the embeddings come first"
    del model, optimizer
    gc.collect()
    assert embeddings() is None
    _, optimizer = begun("lora", rank=128)
    assert optimizer.get_config(0, 0, optimizer.param_groups[0])["optim_bits"] == 8, "here a LoRA's A does"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_paged_optimiser_says_that_it_needs_a_gpu(backbone: Backbone) -> None:
    assert set(OPTIMIZERS) == {"adamw", "adamw-8bit", "paged-adamw-8bit"}
    with pytest.raises(InputError, match=r"needs a GPU.*\n.*adamw-8bit"):
        require_optimizer("paged-adamw-8bit")


def test_keys_of_what_was_trained_before_stay(budget: Budget) -> None:
    settings = METHODS.get("lora").settings
    assert "quantization" not in budget.model_dump(mode="json")
    assert "optimizer" not in settings().model_dump(mode="json")
    assert budget.model_copy(update={"quantization": "nf4"}).model_dump(mode="json")["quantization"] == "nf4"
    assert settings(optimizer="adamw-8bit").model_dump(mode="json")["optimizer"] == "adamw-8bit"
