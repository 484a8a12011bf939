"""OSF in anybody's Trainer: the weights of a stream, and which weights it is refused for."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM

from adapter_workbench import OSF
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import classifier, trained
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, STATE, train, two_tasks

SHARES = {"preserved": 0.25, "growth": 0.25}


def whole_gap(model: Any, stored: Path) -> float:
    """Return the largest difference between the weights that training left, and those of a state of the engine."""
    body, weights = dict(model.model.named_parameters()), load_file(stored / "body" / "model.safetensors")
    assert weights.keys() == body.keys()
    return max(float((body[name].detach() - weight).abs().max()) for name, weight in weights.items())


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    accumulated: int, llama: Path, tmp_path: Path
) -> None:
    """To the last bit, also where a step is two passes: nothing is added to the loss."""
    strategy, tasks = STRATEGIES.get("osf"), two_tasks()
    budget = BUDGET.model_copy(update={"gradient_accumulation": accumulated})
    adaptation = adapted("full", open_backbone(str(llama)))
    context = context_for(adaptation, budget, tasks, tmp_path / "ws", strategy.settings(**SHARES))
    first, second = walk(strategy, context, tmp_path / "stream")

    model, kept = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32), tmp_path / "first"
    train(model, tasks[0], context, kept, [OSF(**SHARES)])
    assert whole_gap(model, first.existing) == 0
    assert all(weight.requires_grad for weight in model.parameters()), "it is the model that it was"
    alone = deepcopy(model)
    train(model, tasks[1], context, tmp_path / "second", [OSF(kept / STATE, **SHARES)])
    assert whole_gap(model, second.existing) == 0
    train(alone, tasks[1], context, tmp_path / "alone", [])
    assert whole_gap(alone, second.existing) > 1e-3, "or nothing shows that something stays"
    assert read_state(tmp_path / "second" / STATE, "osf").tasks == 2


def test_first_directions_of_a_classifier_stay_and_its_head_is_trained(bert: Path, tmp_path: Path) -> None:
    """U₁ᵀ W and W V₁ of each matrix, the pooler's too; embeddings, biases and normalisation layers to the last bit."""
    before = {name: weight.detach().clone() for name, weight in classifier(bert).named_parameters()}
    model = trained(bert, tmp_path / "out", [OSF(preserved=0.5)]).model
    matrices = 0
    for name, weight in model.named_parameters():
        old, new = before[name], weight.detach()
        if name.startswith("classifier."):
            assert not torch.equal(new, old)
        elif old.ndim == 2 and not isinstance(model.get_submodule(name.removesuffix(".weight")), nn.Embedding):
            u, s, v = torch.linalg.svd(old, full_matrices=False)
            rank = len(s) // 2
            torch.testing.assert_close(u[:, :rank].T @ new, s[:rank, None] * v[:rank], atol=1e-4, rtol=0)
            torch.testing.assert_close(new @ v[:rank].T, u[:, :rank] * s[:rank], atol=1e-4, rtol=0)
            assert (new - old).norm() > 1e-3, f"{name} learns along the other directions"
            matrices += 1
        else:
            assert torch.equal(new, old), name
    assert matrices == 2 * 6 + 1


def test_a_model_in_bfloat16_is_split_in_float32(bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "out", [OSF(preserved=0.5)], model=classifier(bert).to(torch.bfloat16)).model
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_other_weights_and_adapters_are_refused_before_the_training(bert: Path, tmp_path: Path) -> None:
    trained(bert, tmp_path / "first", [OSF()])
    state = tmp_path / "first" / STATE
    with pytest.raises(InputError, match="this one has an adapter"):
        trained(bert, tmp_path / "out", [OSF(state)], lora=True)
    other = classifier(bert)
    with torch.no_grad():
        other.bert.encoder.layer[0].output.dense.weight.mul_(-1)
    with pytest.raises(InputError, match="does not begin where the training before ended"):
        trained(bert, tmp_path / "out", [OSF(state)], model=other)
    assert not (tmp_path / "out" / STATE).exists()
