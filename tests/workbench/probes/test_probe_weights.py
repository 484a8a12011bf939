"""weight-drift and intruder: ΔW that are known, LoRA against the same update merged, a plain SVD run beside."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.libraries.diff import LIBRARY as DIFF
from adapter_workbench.workbench.methods.libraries.diff import Differing
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import PROBES, ProbeContext
from adapter_workbench.workbench.probes._weights import changes, layer_of
from adapter_workbench.workbench.probes.intruder import left_vectors
from adapter_workbench.workbench.probes.weight_drift import effective_rank
from tests.tiny_models import WORDS

ContextOf = Callable[..., ProbeContext]

NAMES = {
    "encoder.layer.3.attention.self.query.weight": 4,
    "layers.0.self_attn.q_proj.weight": 1,
    "h.11.attn.c_attn.weight": 12,
    "transformer.layer.5.ffn.lin1.weight": 6,
    "decoder.layers.2.fc1.weight": 3,
    "embeddings.word_embeddings.weight": 0,
    "embed_tokens.weight": 0,
    "wte.weight": 0,
    "pooler.dense.weight": None,
    "norm.weight": None,
}


def _model(body: nn.Module, backbone: Backbone) -> TaskModel:
    return TaskModel(body, nn.Linear(32, 2), KINDS.get("classification"), backbone.pooling, "fp32").eval()


def _orthonormal(rows: int, columns: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(rows, columns, generator=generator)).Q


@torch.no_grad()
def _changed(backbone: Backbone, updates: dict[str, Tensor]) -> nn.Module:
    body = backbone.load()
    for name, update in updates.items():
        body.get_parameter(name).add_(update)
    return body


def _lora(backbone: Backbone, **settings: Any) -> nn.Module:
    """Return the backbone under a LoRA whose B is not zero."""
    from peft import LoraConfig, TaskType, get_peft_model

    torch.manual_seed(1)  # A is drawn by peft; near a threshold, rounding may change the count of intruders
    config = LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=3, lora_alpha=12, **settings)
    body: nn.Module = get_peft_model(backbone.load(), config).eval()
    generator = torch.Generator().manual_seed(1)
    for name, parameter in body.named_parameters():
        if "lora_B" in name:
            parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return body


def _merged(body: Any) -> nn.Module:
    bare: nn.Module = copy.deepcopy(body).merge_and_unload()
    return bare


@pytest.mark.parametrize("name", NAMES)
def test_names_tell_layers(name: str) -> None:
    assert layer_of(name) == NAMES[name]


def test_known_updates(backbone: Backbone, task: Task, context_of: ContextOf) -> None:
    query, dense, words = (
        "encoder.layer.0.attention.self.query.weight",
        "encoder.layer.1.intermediate.dense.weight",
        "embeddings.word_embeddings.weight",
    )
    updates = {
        query: 0.5 * _orthonormal(32, 2, 0) @ _orthonormal(32, 2, 1).T,  # two equal singular values
        dense: 0.1 * _orthonormal(64, 32, 2),  # 32 equal ones
        words: 0.2 * _orthonormal(len(WORDS) + 5, 1, 3) @ _orthonormal(32, 1, 4).T,
    }
    model = _model(_changed(backbone, updates), backbone)
    values = PROBES.get("weight-drift").measure(model, context_of(model, task, backbone))
    norms = {name: float(weight.detach().norm()) for name, weight in backbone.load().named_parameters()}
    assert values == pytest.approx(
        {
            "layer-0/relative-norm": 0.2 / norms[words],
            "layer-0/effective-rank": 1,
            "layer-1/relative-norm": 0.5 * math.sqrt(2) / norms[query],
            "layer-1/effective-rank": 2,
            "layer-2/relative-norm": 0.1 * math.sqrt(32) / norms[dense],
            "layer-2/effective-rank": 32,
            "relative-norm": math.sqrt((0.25 * 2 + 0.01 * 32 + 0.04) / sum(norms[name] ** 2 for name in updates)),
        },
        rel=1e-4,
    )


def test_effective_rank_is_the_entropy_of_the_shares() -> None:
    values = np.array([5.0, 2.0, 1.0, 0.0])
    shares = values[:3] / 8
    wanted = float(np.prod(shares**-shares))
    assert effective_rank(torch.tensor(values)) == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(32, 20), (20, 32)])
def test_singular_values_are_those_of_numpy(shape: tuple[int, int], backbone: Backbone) -> None:
    from adapter_workbench.workbench.probes._weights import Change

    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(shape, generator=generator)
    b, a = torch.randn(shape[0], 4, generator=generator), torch.randn(4, shape[1], generator=generator)
    for change in (
        Change("", 1, dense, dense, None),
        Change("", 1, dense, None, (b, a)),
        Change("", 1, dense, dense, (b, a)),
    ):
        wanted = np.linalg.svd(change.delta.double().numpy(), compute_uv=False)[: len(change.singular_values)]
        np.testing.assert_allclose(change.singular_values.numpy(), wanted, rtol=1e-6)
    assert len(Change("", 1, dense, None, (b, a)).singular_values) == 4, "from the factors alone"


@pytest.mark.parametrize("probe", ["weight-drift", "intruder"])
@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("settings", [{}, {"use_rslora": True}, {"use_dora": True}], ids=["lora", "rslora", "dora"])
def test_what_peft_would_merge_is_the_change(
    settings: dict[str, Any],
    architecture: str,
    probe: str,
    task: Task,
    context_of: ContextOf,
    request: pytest.FixtureRequest,
) -> None:
    backbone = open_backbone(str(request.getfixturevalue(architecture)))
    body = _lora(backbone, **settings)
    beside, inside = _model(body, backbone), _model(_merged(body), backbone)
    values, wanted = (PROBES.get(probe).measure(model, context_of(model, task, backbone)) for model in (beside, inside))
    assert values == pytest.approx(wanted, rel=1e-3)
    assert values, "there is a change"


@pytest.mark.parametrize("probe", ["weight-drift", "intruder"])
def test_a_difference_beside_the_weights_is_the_change(
    probe: str, backbone: Backbone, task: Task, context_of: ContextOf
) -> None:
    """That of diff-pruning, against the same difference added to the weights."""
    settings = METHODS.get("diff-pruning").settings()
    model = Adaptation(backbone, "diff-pruning", settings, "fp32").fresh("classification", 2, 0)
    body: Any = model.body
    _draw(body)
    inside = _model(DIFF.merge(copy.deepcopy(body)), backbone)
    values, wanted = (PROBES.get(probe).measure(each, context_of(each, task, backbone)) for each in (model, inside))
    assert values == wanted
    assert values, "there is a change"


@torch.no_grad()
def _draw(body: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    for difference in body.diff:
        difference.copy_(torch.randn(difference.shape, generator=generator))


def test_low_rank_changes_stay_factors(backbone: Backbone) -> None:
    all_changes = list(changes(_lora(backbone), backbone))
    assert {change.name for change in all_changes} == {
        f"encoder.layer.{layer}.attention.self.{name}.weight" for layer in (0, 1) for name in ("query", "value")
    }
    assert all(change.dense is None and change.factors is not None for change in all_changes)


@pytest.mark.parametrize("method", ["lora", "pfeiffer", "head"])
@pytest.mark.parametrize("probe", ["weight-drift", "intruder"])
def test_nothing_to_tell_where_no_matrix_changed(
    probe: str, method: str, backbone: Backbone, task: Task, context_of: ContextOf
) -> None:
    model = Adaptation(backbone, method, METHODS.get(method).settings(), "fp32").fresh("classification", 2, 0)
    with torch.no_grad():  # of a fresh LoRA, B is 0
        for parameter in (weight for name, weight in model.named_parameters() if "adapters" in name):
            parameter.add_(1)
    assert PROBES.get(probe).measure(model, context_of(model, task, backbone)) == {}


def test_a_strong_random_direction_is_one_intruder(backbone: Backbone, task: Task, context_of: ContextOf) -> None:
    key, name = "encoder.layer.1.attention.self.key", "encoder.layer.1.attention.self.key.weight"
    base = backbone.load()
    left, right = _orthonormal(32, 32, 0), _orthonormal(32, 32, 1)
    weight = left * (0.7 ** torch.arange(32.0)) @ right.T  # values far apart: one update does not mix the others
    spread = left @ torch.ones(32, 1) / math.sqrt(32)  # as far from each vector as can be: |cos| = 0.18
    body = _changed(backbone, {name: weight - base.get_submodule(key).weight + 20 * spread @ right[:, -1:].T})
    with torch.no_grad():
        base.get_submodule(key).weight.copy_(weight)
    base.eval()
    base_backbone = Backbone(f"{backbone.name}-known", backbone.folder, backbone.pooling)
    object.__setattr__(base_backbone, "load", lambda: copy.deepcopy(base))
    object.__setattr__(base_backbone, "fingerprint", "known")
    model = _model(body, base_backbone)
    values = PROBES.get("intruder").measure(model, context_of(model, task, base_backbone))
    assert values == {"layer-2": 1.0, "total": 1.0}


def test_counts_are_those_of_a_plain_svd(backbone: Backbone, task: Task, context_of: ContextOf) -> None:
    model = _model(_lora(backbone, target_modules=["query", "key", "dense"]), backbone)
    values = PROBES.get("intruder").measure(model, context_of(model, task, backbone))
    tuned, before = dict(_merged(model.body).named_parameters()), dict(backbone.load().named_parameters())
    counts = []
    for name, old in before.items():
        if layer_of(name) and old.dim() == 2 and not torch.equal(old, tuned[name]):
            u, x = (torch.linalg.svd(weight.detach(), full_matrices=False).U for weight in (tuned[name], old))
            counts.append(int(((u.T @ x).abs().amax(dim=1)[:10] < 0.6).sum()))
    assert len(counts) == 10
    assert values["total"] == pytest.approx(sum(counts) / len(counts))
    assert 0 < values["total"] < 10, "a case that tells something"


@pytest.mark.parametrize("shape", [(32, 20), (20, 32)])
def test_left_vectors_are_those_of_an_svd_and_none_of_nothing(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.linalg.svd(matrix.double(), full_matrices=False).U
    torch.testing.assert_close((left_vectors(matrix).T @ wanted).abs(), torch.eye(20).double(), rtol=0, atol=1e-6)
    matrix[:, 5:] = 0
    assert left_vectors(matrix).shape == (shape[0], 5)
    assert left_vectors(matrix, most=3).shape == (shape[0], 3)


def test_matrices_that_lie_transposed_are_turned(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=8)
    GPT2Model(config).save_pretrained(tmp_path)
    backbone = Backbone("gpt2", tmp_path, "last")
    body = _changed(backbone, {"h.1.mlp.c_fc.weight": torch.ones(8, 32)})  # (in, out), as GPT-2 has it
    (change,) = changes(body, backbone)
    assert change.layer == 2
    assert change.weight.shape == change.delta.shape == (32, 8)
    lora = _lora(backbone, target_modules=["c_fc"], fan_in_fan_out=True)
    merged = dict(_merged(lora).named_parameters())["h.0.mlp.c_fc.weight"]
    first = next(changes(lora, backbone))
    torch.testing.assert_close(first.weight + first.delta, merged.T.detach())
    differing = Differing(backbone.load(), ["h.0.mlp.c_fc.weight"])
    _draw(differing)
    (beside,) = changes(differing, backbone)
    torch.testing.assert_close(beside.delta, differing.diff[0].T.detach())
