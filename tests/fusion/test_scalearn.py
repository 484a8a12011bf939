"""ScaLearn: the authors' formula, how many scales are trained, what is stored, what does not lie side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.fusion.methods import average
from adapter_workbench.fusion.methods.scalearn import COMPOSITION, Settings
from adapter_workbench.fusion.target.bottleneck import reduction_factor
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.target.scaled_outputs import ScaledOutputs, sources_side_by_side
from adapter_workbench.fusion.target.target import model_on
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.task import Task
from tests.fusion_sources import BUDGET, hidden, logits, request_for, train_sources

LAYERS, HIDDEN, SOURCES, LABELS = 2, 32, 3, 2
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def bottlenecks(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    return train_sources(backbone, tmp_path_factory.mktemp("bottlenecks"), "pfeiffer", reduction_factor=4)


@pytest.fixture(scope="module")
def wide(bottlenecks: tuple[StoredAdapter, ...], task: Task, backbone: Backbone) -> Request:
    return request_for(bottlenecks, task, backbone)


def by_the_authors(x: torch.Tensor, matrices: Any, biases: Any, scales: torch.Tensor) -> torch.Tensor:
    """Stack what all adapters add, (batch, tokens, adapters, h), times ω, (adapters, h or 1), over adapters."""
    ups = torch.stack([part @ matrix.T for part, matrix in zip(x, matrices, strict=True)], dim=2)
    return (scales * (ups + torch.stack(list(biases)))).sum(dim=2)


@pytest.mark.parametrize("width", [7, 1])
def test_a_place_is_the_authors_formula_on_random_tensors(width: int) -> None:
    torch.manual_seed(0)
    ranks, out = (2, 3, 1), 7
    x = [torch.randn(4, 5, rank) for rank in ranks]
    matrices, biases = [torch.randn(out, rank) for rank in ranks], torch.randn(3, out)
    scales = torch.nn.Parameter(torch.randn(3, width))
    together = torch.nn.Linear(sum(ranks), out)
    together.weight.data.copy_(torch.cat(matrices, dim=1))
    owners = torch.tensor([0, 0, 1, 1, 1, 2])
    layer = ScaledOutputs(together, scales, owners, biases, drop=0.0)
    wanted = by_the_authors(x, matrices, biases, scales.detach())
    torch.testing.assert_close(layer(torch.cat(x, dim=-1)), wanted, **CLOSE)


def test_a_layer_adds_the_scaled_outputs_of_all_bottlenecks(wide: Request) -> None:
    """Down, activation, up and bias of each source by hand, from its own file."""
    scaled = sources_side_by_side(wide).under_scales(per_dimension=True, shared=False, value=1.0, drop=0.3)
    position = "encoder.layer.1.output.adapters.workbench"
    torch.manual_seed(1)
    scaled.scales[position].data.normal_()
    seen: list[Any] = []
    bottleneck = scaled.sources.body.get_submodule(position)
    keep = lambda module, given, named, out: seen.append((given[0], named["residual_input"], out[0]))  # noqa: E731
    bottleneck.register_forward_hook(keep, with_kwargs=True)
    hidden(scaled.sources.body)
    x, residual, out = seen[0]  # (4, 9, 32) each
    files = [load_file(source.folder / "adapter.safetensors") for source in wide.sources]
    parts = [{name.partition(f"{position}.")[2]: tensor for name, tensor in tensors.items()} for tensors in files]
    inside = [torch.relu(x @ own["adapter_down.0.weight"].T + own["adapter_down.0.bias"]) for own in parts]
    matrices, biases = ([own[f"adapter_up.{kind}"] for own in parts] for kind in ("weight", "bias"))
    wanted = residual + by_the_authors(inside, matrices, biases, scaled.scales[position].detach())
    torch.testing.assert_close(out, wanted, **CLOSE)


@pytest.mark.parametrize(
    ("settings", "scales"),
    [
        ({}, LAYERS * HIDDEN * SOURCES),
        ({"per": "layer"}, LAYERS * SOURCES),
        ({"shared": True}, HIDDEN * SOURCES),
        ({"per": "layer", "shared": True}, SOURCES),
    ],
)
def test_as_many_scales_are_trained_as_the_paper_says(settings: dict[str, Any], scales: int, wide: Request) -> None:
    composed = COMPOSITION.compose(replace(wide, budget=BUDGET.model_copy(update={"epochs": 1})), Settings(**settings))
    assert composed.fit is not None
    assert composed.fit.trainable_parameters == scales + HIDDEN * LABELS + LABELS
    assert len(composed.details) == (1 if settings.get("shared") else LAYERS)


def test_scales_of_loras_are_those_of_the_outputs_of_their_matrices(request_: Request) -> None:
    scaled = sources_side_by_side(request_).under_scales(per_dimension=True, shared=True, value=1.0, drop=0.0)
    assert {tuple(scales.shape) for scales in scaled.scales.values()} == {(SOURCES, HIDDEN)}
    assert len(scaled.layers) == LAYERS * len(scaled.scales), "one for each matrix of a layer"


def test_matrices_of_other_widths_have_scales_of_their_own(llama: Path, task: Task, tmp_path: Path) -> None:
    """All linear layers of a decoder: keys and values are narrower than queries, the feed-forward block is wider."""
    backbone = open_backbone(str(llama))
    linear = [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")]
    request = request_for(train_sources(backbone, tmp_path, "lora", count=2, targets=linear), task, backbone)
    sources = sources_side_by_side(request)
    scaled = sources.under_scales(per_dimension=True, shared=True, value=1.0, drop=0.0)
    widths = {group.rpartition(".")[2]: scales.shape[1] for group, scales in scaled.scales.items()}
    assert len(widths) == 7
    assert len(scaled.layers) == 7 * backbone.config.num_hidden_layers
    assert widths["k_proj"] < widths["q_proj"] < widths["up_proj"]
    trained = hidden(sources.body)
    scaled.fold()
    assert torch.equal(hidden(sources.body), trained)


def test_halves_of_an_encoder_decoder_share_no_scales(t5: Path, task: Task, tmp_path: Path) -> None:
    backbone = open_backbone(str(t5))
    request = request_for(train_sources(backbone, tmp_path, "pfeiffer", count=2), task, backbone)
    composed = COMPOSITION.compose(request, Settings(shared=True))
    assert {group.partition(".")[0] for group in composed.details} == {"encoder", "decoder"}


@pytest.mark.parametrize("shared", [False, True])
def test_equal_scales_are_the_average_of_outputs(shared: bool, request_: Request, wide: Request) -> None:
    def body(request: Request) -> torch.nn.Module:
        scaled = sources_side_by_side(request).under_scales(True, shared, 1 / SOURCES, drop=0.3)
        scaled.fold()
        return scaled.sources.body

    mean = average.COMPOSITION.compose(request_, average.COMPOSITION.settings()).body
    torch.testing.assert_close(hidden(body(request_)), hidden(mean), **CLOSE)
    same = replace(wide, sources=wide.sources[:1] * SOURCES)
    alone = average.COMPOSITION.compose(replace(wide, sources=wide.sources[:1]), average.COMPOSITION.settings()).body
    torch.testing.assert_close(hidden(body(same)), hidden(alone), **CLOSE)


@pytest.mark.parametrize("library", ["peft", "adapters"])
def test_what_is_folded_answers_as_what_was_trained(library: str, request_: Request, wide: Request) -> None:
    request = request_ if library == "peft" else wide
    sources = sources_side_by_side(request)
    before = {name: parameter.requires_grad for name, parameter in sources.body.named_parameters()}
    scaled = sources.under_scales(per_dimension=True, shared=False, value=1.0, drop=0.5)
    torch.manual_seed(0)
    for scales in scaled.scales.values():
        scales.data.normal_()
    trained = hidden(sources.body)
    scaled.fold()
    assert torch.equal(hidden(sources.body), trained)
    assert {name: parameter.requires_grad for name, parameter in sources.body.named_parameters()} == before


def test_training_moves_scales_and_tells_what_the_sources_got(wide: Request) -> None:
    request = replace(wide, budget=BUDGET.model_copy(update={"epochs": 4}))
    composed = COMPOSITION.compose(request, Settings(learning_rate=5e-2, dropout=0.0))
    assert composed.fit is not None
    assert composed.fit.epochs[-1].train_loss < composed.fit.epochs[0].train_loss
    assert composed.weights is not None
    assert sum(composed.weights) != pytest.approx(1), "they need not sum to one"
    assert torch.isfinite(logits(model_on(request, composed.body, composed.head))).all()


def test_a_dropped_scale_takes_matrix_and_bias_of_its_source_along() -> None:
    torch.manual_seed(0)
    matrix, bias, x = torch.nn.Linear(3, 40), torch.randn(1, 40), torch.randn(5, 3)
    layer = ScaledOutputs(matrix, torch.nn.Parameter(torch.ones(1, 40)), torch.zeros(3, dtype=torch.long), bias, 0.5)
    whole = (x @ matrix.weight.T + bias).detach()
    ratio = (layer.train()(x) / whole).detach()
    assert {round(value) for value in ratio.flatten().tolist()} == {0, 2}
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(layer.eval()(x), whole)


@pytest.mark.parametrize("wide_hidden", [32, 384, 768, 1000])
def test_the_package_makes_a_bottleneck_of_the_size_of_all_together(wide_hidden: int) -> None:
    for size in range(1, 4 * wide_hidden, 7):
        assert int(wide_hidden // reduction_factor(wide_hidden, size)) == size


def test_bottlenecks_may_differ_in_size(wide: Request, backbone: Backbone, tmp_path: Path) -> None:
    (smaller,) = train_sources(backbone, tmp_path, "pfeiffer", count=1, reduction_factor=16)  # 2 units, others 8
    body = sources_side_by_side(replace(wide, sources=(wide.sources[0], smaller))).body
    assert body.get_submodule("encoder.layer.0.output.adapters.workbench.adapter_up").in_features == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ln_after": True}, "no plain bottleneck: it has ln_after"),
        ({"scaling": "learned"}, "no plain bottleneck: it has scaling: learned"),
        ({"non_linearity": "gelu"}, "differ in non_linearity"),
    ],
)
def test_what_does_not_lie_side_by_side_is_refused(
    change: dict[str, Any], message: str, wide: Request, tmp_path: Path
) -> None:
    first, other = wide.sources[:2]
    config = json.loads((other.folder / "adapter_config.json").read_text(encoding="utf-8"))
    config["config"] |= change
    (tmp_path / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    changed = replace(other, folder=tmp_path)
    sources = (first, changed) if "differ" in message else (changed,)
    with pytest.raises(InputError, match=message):
        COMPOSITION.compose(replace(wide, sources=sources), Settings())


def test_it_learns_from_a_target(wide: Request) -> None:
    with pytest.raises(InputError, match="needs a target task"):
        COMPOSITION.compose(replace(wide, target=None), Settings())
