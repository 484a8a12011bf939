"""What every registered probe has to fulfil; a new file is tested without a new test."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import PROBES, ProbeContext

ContextOf = Callable[..., ProbeContext]

KINDS = {"classification": "task", "causal-lm": "copying"}
QUANTITY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?")


def _model(backbone: Backbone, kind: str, task: Task) -> TaskModel:
    """Return a model under a LoRA that does something, left in training mode."""
    model = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32").fresh(kind, len(task.labels), 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model.train()


def _bytes(model: TaskModel) -> dict[str, torch.Tensor]:
    state = {**model.state_dict(), **dict(model.head.named_buffers())}
    return copy.deepcopy(state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["bert", "llama"])
@pytest.mark.parametrize("probe", PROBES.names())
def test_probe(
    probe: str,
    architecture: str,
    kind: str,
    context_of: ContextOf,
    outcomes_of: Any,
    request: pytest.FixtureRequest,
) -> None:
    backbone, task = open_backbone(str(request.getfixturevalue(architecture))), request.getfixturevalue(KINDS[kind])
    card = PROBES.get(probe)
    reason = card.objection(backbone, kind)
    if reason is not None or (architecture == "bert" and kind == "causal-lm"):
        assert reason is None or len(reason) > 10
        return
    model = _model(backbone, kind, task)
    outcomes = outcomes_of(model, task, backbone)
    before = context_of(model, task, backbone).hidden
    changes = {"learned": before, "outcomes": outcomes, "outcomes_learned": outcomes, "max_length": 16}
    state, generator = _bytes(model), torch.random.get_rng_state()
    first = dict(card.measure(model, context_of(model, task, backbone, **changes)))
    second = dict(card.measure(model, context_of(model, task, backbone, **changes)))
    assert first, "something is measured"
    assert first == second
    assert all(type(value) is float and math.isfinite(value) for value in first.values()), first
    assert all(QUANTITY.fullmatch(name) for name in first), first
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert model.training
    assert all(module.training for module in model.modules())
    after = _bytes(model)
    assert after.keys() == state.keys()
    assert all(torch.equal(after[name], state[name]) for name in state)


@pytest.mark.parametrize("probe", PROBES.names())
def test_card(probe: str, backbone: Backbone) -> None:
    card = PROBES.get(probe)
    assert card.scope in ("task", "model")
    assert isinstance(card.reads_hidden, bool)
    assert 20 < len(PROBES.describe(probe)) < 120
    assert not PROBES.describe(probe).startswith(probe), "the docstring begins with `name: `"
    assert type(card).__doc__


@pytest.mark.parametrize("probe", ["weight-drift", "intruder"])
def test_packed_matrices_are_not_compared(probe: str, backbone: Backbone) -> None:
    assert PROBES.get(probe).objection(backbone, "classification") is None
    packed = replace(backbone, quantization="nf4")
    assert "packed (nf4)" in (PROBES.get(probe).objection(packed, "classification") or "")


def test_the_ten_probes_are_there() -> None:
    names = "agreement calibration cka general-loss head-refit intruder knn linear lm-eval weight-drift"
    assert set(names.split()) <= set(PROBES.names())
