"""Matrices stay in bfloat16 where the checkpoint has them in bfloat16, and every result stays the same number."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BertConfig, LlamaConfig, T5Config

from adapter_workbench.experiments.engine.forecast import workload
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.answering.predictor import OpenedAdapter, rows_of
from adapter_workbench.workbench.answering.serving import Serving, sharing
from adapter_workbench.workbench.backbone import load_widened, quantisation
from adapter_workbench.workbench.backbone.bf16_matrices import widen
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.load_widened import WidenedLinear, compute_widened
from adapter_workbench.workbench.backbone.names import open_backbone, says_bf16
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation, save_head
from adapter_workbench.workbench.methods.library import Merges
from adapter_workbench.workbench.methods.methods import METHODS, possible_methods, trained_methods
from adapter_workbench.workbench.probes._weights import changes
from adapter_workbench.workbench.settings.base import Budget, StoredWidth
from adapter_workbench.workbench.training import Lesson, fit, learn
from adapter_workbench.workbench.training.cost_model import Workload
from tests.checkpoints import LLAMA, T5, saved
from tests.conftest import toy
from tests.process_memory import as_another_process, settled_files
from tests.sampled import first_of_each

ARCHITECTURES = {"BertModel": {}, "LlamaForCausalLM": LLAMA, "T5ForConditionalGeneration": T5}
KIND = "classification"
CONFIGS = {"BertModel": BertConfig(), "LlamaForCausalLM": LlamaConfig(), "T5ForConditionalGeneration": T5Config()}


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    settled_files(monkeypatch)
    as_another_process(monkeypatch)


@pytest.fixture(scope="module")
def halved(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Backbone]:
    """Checkpoints in bfloat16."""
    root = tmp_path_factory.mktemp("halved")
    made = {
        name: saved(name, bert, root / name, dtype=torch.bfloat16, **settings)
        for name, settings in ARCHITECTURES.items()
    }
    return {name: open_backbone(str(folder)) for name, folder in made.items()}


def adapted(backbone: Backbone, method: str, precision: Any = "bf16", weights: Any = "auto") -> Adaptation:
    return Adaptation(backbone.kept(weights), method, METHODS.get(method).settings(), precision)


def step(adaptation: Adaptation) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return logits and gradients of one training step from weights that are drawn."""
    model = adaptation.fresh(KIND, 2, seed=0).train()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    ids = torch.randint(5, 20, (4, 12))
    output = model(labels=torch.tensor([0, 1, 1, 0]), input_ids=ids, attention_mask=torch.ones_like(ids))
    output["loss"].backward()
    assert all(weight.dtype is torch.float32 for weight in model.trainable().values()), "what is trained is in float32"
    grads = {name: weight.grad for name, weight in model.trainable().items() if weight.grad is not None}
    return output["logits"].detach(), grads


def require_equal(
    narrow: tuple[torch.Tensor, dict[str, torch.Tensor]], wide: tuple[torch.Tensor, dict[str, torch.Tensor]]
) -> None:
    """Make sure that two steps have the same logits and gradients, to the last bit."""
    (logits, gradients), (wide_logits, wide_gradients) = narrow, wide
    assert torch.equal(logits, wide_logits)
    assert gradients.keys() == wide_gradients.keys()
    assert all(torch.equal(gradients[name], wide_gradients[name]) for name in gradients)


def widths(body: nn.Module) -> set[torch.dtype]:
    return {module.weight.dtype for module in _linear(body).values()}


def _linear(body: nn.Module) -> dict[str, nn.Linear]:
    exact = (nn.Linear, WidenedLinear)
    layers = {name: layer for name, layer in body.named_modules() if type(layer) in exact}
    return {name: layer for name, layer in layers.items() if "pooler" not in name and "lora_" not in name}


def _noting(linear: Any, there: list[weakref.ref[torch.Tensor]]) -> Any:
    def noted(read: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        there.append(weakref.ref(weight))
        return linear(read, weight, bias)  # type: ignore[no-any-return]

    return noted


STEPS = [
    (method, architecture)
    for architecture, config in CONFIGS.items()
    for method in sorted({*trained_methods(), "dora+pfeiffer"}, key=lambda name: (name != "lora", name))
    if METHODS.get(method).objection(METHODS.get(method).settings(), config, KIND) is None
]
STEPS_IN_FLOAT32 = [case for case in STEPS if not CONFIGS[case[1]].is_encoder_decoder]  # those always widen theirs


def library_and_architecture(case: tuple[str, str]) -> tuple[str, str]:
    return METHODS.get(case[0]).library, case[1]


@pytest.mark.parametrize(("method", "architecture"), first_of_each(STEPS, library_and_architecture))
def test_a_step_is_the_same_to_the_last_bit(
    method: str, architecture: str, halved: dict[str, Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = halved[architecture]
    if method not in possible_methods(backbone.config, KIND):
        pytest.skip("not in so small a shape")
    narrow = step(adapted(backbone, method))
    monkeypatch.setattr(load_widened, "kept_narrow", lambda *_: frozenset())
    as_another_process(monkeypatch)
    require_equal(narrow, step(adapted(backbone, method)))


@pytest.mark.parametrize(("method", "architecture"), first_of_each(STEPS_IN_FLOAT32, library_and_architecture))
def test_a_step_in_float32_is_the_same_with_weights_as_they_are_stored(
    method: str, architecture: str, halved: dict[str, Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = halved[architecture]
    if method not in possible_methods(backbone.config, KIND):
        pytest.skip("not in so small a shape")
    narrow = step(adapted(backbone, method, "fp32", "bf16"))
    as_another_process(monkeypatch)
    require_equal(narrow, step(adapted(backbone, method, "fp32", "fp32")))


@pytest.mark.parametrize(
    ("method", "architecture", "checkpointing"),
    [
        *(("lora", name, chosen) for name in ("BertModel", "LlamaForCausalLM") for chosen in ("off", "on")),
        *((method, "LlamaForCausalLM", "off") for method in ("pissa", "eva", "corda", "lora-ga")),
    ],
)
def test_a_fit_in_float32_is_the_same_with_weights_as_they_are_stored(
    method: str, architecture: str, checkpointing: Any, halved: dict[str, Backbone]
) -> None:
    trained: list[dict[str, torch.Tensor]] = []
    for weights in ("bf16", "fp32"):
        adaptation = adapted(halved[architecture], method, "fp32", weights)
        model = adaptation.fresh(KIND, 2, seed=0)
        assert widths(model.body) == {torch.bfloat16 if weights == "bf16" else torch.float32}
        budget = Budget(epochs=1, batch_size=16, max_length=16, precision="fp32", checkpointing=checkpointing)
        fit(model, toy(KIND), adaptation, budget, 0, Silent(), "test")
        trained.append({name: weight.detach().clone() for name, weight in model.trainable().items()})
        assert adaptation.backbone_is_intact(model)
    assert all(torch.equal(weight, trained[1][name]) for name, weight in trained[0].items())


@pytest.mark.parametrize(("shape", "bias"), [((4, 24), True), ((3, 5, 24), True), ((3, 5, 24), False)])
def test_a_layer_that_widens_its_weights_keeps_none_of_them(
    shape: tuple[int, ...], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(24, 40, bias=bias).requires_grad_(False)
    layer.weight.data = layer.weight.data.bfloat16()
    wide = nn.Linear(24, 40, bias=bias).requires_grad_(False)
    wide.load_state_dict(layer.state_dict())
    narrow = compute_widened(nn.Sequential(layer))
    read = torch.randn(shape)
    results = []
    for network in (narrow, wide):
        leaf = read.clone().requires_grad_()
        output = network(leaf)
        (output**2).sum().backward()
        results.append((output.detach(), leaf.grad))
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))  # type: ignore[arg-type]
    there: list[weakref.ref[torch.Tensor]] = []
    monkeypatch.setattr(functional, "linear", _noting(functional.linear, there))
    output = narrow(read.clone().requires_grad_())
    assert output.grad_fn is not None
    assert [weight() for weight in there] == [None], "the weights in float32 are gone before the backward pass"


def test_large_backbones_stay_as_they_are_stored(
    halved: dict[str, Backbone], bert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = halved["LlamaForCausalLM"]
    size = sum(parameter.nbytes for parameter in backbone.load().parameters())
    for installed, width in ((2 * size - 1, torch.bfloat16), (2 * size, torch.float32), (None, torch.float32)):
        monkeypatch.setattr(
            "adapter_workbench.workbench.backbone.bf16_matrices.installed_bytes", lambda size=installed: size
        )
        assert widths(adapted(backbone, "lora", "fp32").fresh(KIND, 2, seed=0).body) == {width}
        for method in ("full", "shira"):
            assert widths(adapted(backbone, method, "fp32").fresh(KIND, 2, seed=0).body) == {torch.float32}
        assert widths(open_backbone(str(bert)).load(frozen=True)) == {torch.float32}, "it is stored in float32"


def test_what_cannot_stay_in_bfloat16_is_refused(halved: dict[str, Backbone], bert: Path) -> None:
    with pytest.raises(InputError, match="another type"):
        open_backbone(str(bert)).kept("bf16", "budget.weights")
    with pytest.raises(InputError, match="nf4"):
        halved["BertModel"].quantized("nf4").kept("bf16", "budget.weights")
    with pytest.raises(InputError, match="encoder-decoder"):
        halved["T5ForConditionalGeneration"].kept("bf16", "budget.weights")


@pytest.mark.parametrize("weights", ["bf16", "fp32"])
@pytest.mark.parametrize("method", ["lora", "pfeiffer"])
def test_adapters_that_share_a_body_leave_its_weights_as_they_are_stored(
    method: str, weights: Any, halved: dict[str, Backbone], tmp_path: Path
) -> None:
    """And answer to the last bit as each does by itself."""
    store, backbone = AdapterStore(tmp_path), open_backbone(str(halved["BertModel"].folder))
    budget = Budget(epochs=1, batch_size=16, max_length=16, precision="fp32", weights=weights)
    adaptation = adapted(backbone, method, "fp32", weights)
    adapters = [learn(Lesson(toy(KIND), adaptation, budget, seed), store, Silent(), "") for seed in (0, 1)]
    serving, texts = Serving(adapters, backbone), ["the cat often", "a plum", "this very sheep quite really some"]
    for adapter in adapters:
        alone = OpenedAdapter.open(adapter, backbone)
        assert widths(serving.body) & {torch.bfloat16} == widths(alone.model.body) & {torch.bfloat16}
        assert serving.answers(rows_of(texts), [adapter.id] * len(texts)) == alone.answers(texts)
    assert (torch.bfloat16 in widths(serving.body)) == (weights == "bf16" and method == "lora")


def test_adapters_whose_weights_are_kept_otherwise_share_no_body(halved: dict[str, Backbone], tmp_path: Path) -> None:
    store, backbone, adapters = AdapterStore(tmp_path), open_backbone(str(halved["BertModel"].folder)), []
    widths_stored: tuple[StoredWidth, ...] = ("bf16", "fp32")
    for weights in widths_stored:
        budget = Budget(epochs=1, batch_size=16, max_length=16, precision="fp32", weights=weights)
        lesson = Lesson(toy(KIND), adapted(backbone, "lora", "fp32", weights), budget, 0)
        adapters.append(learn(lesson, store, Silent(), ""))
    assert sharing(adapters, backbone) == [[adapter] for adapter in adapters]


@pytest.mark.parametrize("method", ["pissa", "eva", "corda", "lora-ga"])
def test_a_lora_that_is_made_anew_in_a_fit_is_in_float32(method: str, halved: dict[str, Backbone]) -> None:
    adaptation = adapted(halved["BertModel"], method)
    model = adaptation.fresh(KIND, 2, seed=0)
    budget = Budget(epochs=1, batch_size=16, max_length=16, precision="bf16")
    fit(model, toy(KIND), adaptation, budget, 0, Silent(), "test")
    assert {weight.dtype for name, weight in model.named_parameters() if ".lora_" in name} == {torch.float32}
    assert widths(adaptation.library.detach(model.body)) == {torch.bfloat16}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_alone_are_narrow_and_only_for_bf16(architecture: str, halved: dict[str, Backbone]) -> None:
    backbone = halved[architecture]
    narrow, wide = backbone.load(precision="bf16"), backbone.load()
    assert widths(narrow) == {torch.bfloat16}
    assert widths(wide) == {torch.float32}
    others = {name for name, parameter in narrow.named_parameters() if parameter.dtype is torch.float32}
    assert others == {name for name, _ in narrow.named_parameters()} - {f"{name}.weight" for name in _linear(narrow)}
    for name, parameter in wide.named_parameters():
        assert torch.equal(narrow.get_parameter(name).float(), parameter)
    assert backbone.is_intact(narrow)
    assert fingerprint(quantisation.parameters(narrow)) == backbone.fingerprint, "whatever type they are kept in"
    narrow.get_parameter(max(name for name, _ in narrow.named_parameters())).data[0] += 1
    assert not backbone.is_intact(narrow)


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "prompt", "diff-pruning", "hypernetwork"])
def test_an_adapter_comes_back_and_off_again(method: str, halved: dict[str, Backbone], tmp_path: Path) -> None:
    backbone = halved["BertModel"]
    adaptation = adapted(backbone, method)
    model = adaptation.fresh(KIND, 2, seed=0)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    adaptation.library.save(model.body, tmp_path)
    save_head(model.head, tmp_path / HEAD_FILE)
    again = adaptation.load(tmp_path, adaptation.stored_head(tmp_path / HEAD_FILE, KIND, 2), KIND)
    ids = torch.randint(5, 20, (4, 12))
    with torch.inference_mode():
        kept, loaded = (
            network(input_ids=ids, attention_mask=torch.ones_like(ids))["logits"] for network in (model, again)
        )
    assert torch.equal(kept, loaded)
    assert adaptation.backbone_is_intact(model)


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("method", ["lora", "dora", "pfeiffer"])
@pytest.mark.parametrize("architecture", ["BertModel", "LlamaForCausalLM"])
def test_what_the_weights_take_is_predicted(
    architecture: str, method: str, precision: Any, halved: dict[str, Backbone]
) -> None:
    adaptation = adapted(halved[architecture], method, precision, "bf16")
    body = adaptation.fresh(KIND, 2, seed=0).body
    predicted = Workload.of(adaptation, 4, 16).predict()
    assert predicted.weights == sum(parameter.nbytes for parameter in body.parameters())
    assert (predicted.casts == 0) == (method != "dora" or precision == "fp32"), (
        "what is in float32 is cast in each pass"
    )


def test_a_config_tells_what_the_checkpoint_will_be(halved: dict[str, Backbone], bert: Path) -> None:
    assert says_bf16(str(halved["BertModel"].folder / "config.json"))
    assert not says_bf16(str(bert))
    assert workload(str(halved["BertModel"].folder), "lora", ["budget.precision=bf16"]).stored_in_bf16
    folder, assigned = str(halved["BertModel"].folder), ["budget.precision=fp32", "budget.weights=bf16"]
    narrow, wide = workload(folder, "lora", assigned).predict(), workload(folder, "lora", assigned[:1]).predict()
    assert narrow.weights < wide.weights
    assert narrow.working > wide.working, "one layer is there in float32"


def test_merging_rounds_nothing(halved: dict[str, Backbone]) -> None:
    merged = []
    for precision in ("bf16", "fp32"):
        adaptation = adapted(halved["BertModel"], "lora", precision)
        model = adaptation.fresh(KIND, 2, seed=0)
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in model.trainable().values():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        assert isinstance(adaptation.library, Merges)
        merged.append(dict(adaptation.library.merge(widen(model.body)).named_parameters()))  # type: ignore[union-attr]
    for name, weight in merged[0].items():
        assert torch.equal(weight, merged[1][name]), name


@pytest.mark.parametrize("method", ["lora", "loha", "dora"])
def test_probes_see_the_change_that_was_made(
    method: str, halved: dict[str, Backbone], monkeypatch: pytest.MonkeyPatch
) -> None:
    deltas = []
    for _ in range(2):
        model = adapted(halved["BertModel"], method).fresh(KIND, 2, seed=0)
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in model.trainable().values():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        deltas.append({change.name: change.delta for change in changes(model.body, halved["BertModel"])})
        monkeypatch.setattr(load_widened, "kept_narrow", lambda *_: frozenset())
        as_another_process(monkeypatch)
    assert deltas[0]
    assert deltas[0].keys() == deltas[1].keys()
    assert all(torch.equal(deltas[0][name], deltas[1][name]) for name in deltas[0])


def test_a_checkpoint_in_float32_is_read_as_it_is(bert: Path) -> None:
    assert widths(open_backbone(str(bert)).load(precision="bf16")) == {torch.float32}
