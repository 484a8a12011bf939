"""kl-from-base against transformers' own language models and KL in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import ProbeContext
from adapter_workbench.workbench.probes.kl_from_base import PROBE

ContextOf = Callable[..., ProbeContext]
LENGTH = 16
IGNORED = -100


@pytest.fixture(scope="module")
def causal(llama: Path) -> Backbone:
    return open_backbone(str(llama))


def moved(backbone: Backbone, by: float) -> TaskModel:
    """A model that was trained whole, and came so far."""
    adaptation = Adaptation(backbone, "full", METHODS.get("full").settings(), "fp32")
    model, generator = adaptation.fresh("causal-lm", 0, 0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(by * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def log_probabilities(lm: Any, ids: list[int]) -> NDArray[np.float64]:
    with torch.no_grad():
        logits = lm(input_ids=torch.tensor([ids])).logits[0].double().numpy()
    exact: NDArray[np.float64] = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return exact


def test_it_is_the_mean_over_answer_tokens_of_the_divergence(
    causal: Backbone, copying: Task, context_of: ContextOf
) -> None:
    """Σ p₀ (ln p₀ − ln p), text by text without padding; the other way round it is another number."""
    from transformers import AutoModelForCausalLM

    model = moved(causal, 0.1)
    base, now = (AutoModelForCausalLM.from_pretrained(causal.folder, dtype=torch.float32).eval() for _ in range(2))
    now.model.load_state_dict(model.body.state_dict())
    forward: list[float] = []
    backward: list[float] = []
    for row in model.kind.encode(copying.splits["validation"], causal.tokenizer, LENGTH):
        old, new = (log_probabilities(lm, row["input_ids"]) for lm in (base, now))
        for place, label in enumerate(row["labels"]):
            if label != IGNORED:
                before, after = old[place - 1], new[place - 1]
                forward.append(float((np.exp(before) * (before - after)).sum()))
                backward.append(float((np.exp(after) * (after - before)).sum()))
    assert len(forward) > len(copying.splits["validation"]), "answers have an end token too"
    value = PROBE.measure(model, context_of(model, copying, causal, max_length=LENGTH))["kl"]
    assert value == pytest.approx(np.mean(forward), rel=1e-4)
    assert value > 0.01
    assert abs(np.mean(backward) - value) > 1e-3 * value


def test_the_pretrained_model_is_at_0_and_what_moved_further_is_further(
    causal: Backbone, copying: Task, context_of: ContextOf
) -> None:
    values = [PROBE.measure(model, context_of(model, copying, causal))["kl"] for model in _steps(causal)]
    assert values[0] == 0
    assert values == sorted(values)
    assert values[1] > 0


def _steps(causal: Backbone) -> list[TaskModel]:
    return [moved(causal, by) for by in (0.0, 0.03, 0.1)]


def test_a_lora_is_read_and_answers_alone_are_compared(causal: Backbone, copying: Task, context_of: ContextOf) -> None:
    """Beside the full model that the LoRA would be merged into."""
    adaptation = Adaptation(causal, "lora", METHODS.get("lora").settings(), "fp32")
    model, generator = adaptation.fresh("causal-lm", 0, 0), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    value = PROBE.measure(model, context_of(model, copying, causal))["kl"]
    body: Any = model.body
    merged = TaskModel(body.merge_and_unload(), model.head, model.kind, model.pooling, "fp32").eval()
    assert value == pytest.approx(PROBE.measure(merged, context_of(merged, copying, causal))["kl"], rel=1e-3)
    assert value > 1e-4


def test_models_with_other_tokens_are_not_compared(causal: Backbone, copying: Task, context_of: ContextOf) -> None:
    model = moved(causal, 0.1)
    tokenizer = SimpleNamespace(get_vocab=lambda: {"another": 0})
    reader: Any = SimpleNamespace(tokenizer=tokenizer)
    assert PROBE.measure(model, context_of(model, copying, causal, reader=reader)) == {}


def test_a_task_with_a_head_of_its_own_has_no_base(causal: Backbone) -> None:
    assert PROBE.objection(causal, "causal-lm") is None
    assert PROBE.objection(causal, "seq2seq") is None
    assert "classification" in str(PROBE.objection(causal, "classification"))
