"""SEQ* in anybody's Trainer: the weights of a stream, whether one head answers all tasks or each has its own."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from adapter_workbench import SEQStar
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import classifier, trained
from tests.stages import START, adapted, at, context_for, opened, walk
from tests.trainer_streams import BUDGET, STATE, train


class Classifier(nn.Module):
    """A body whose states are averaged, under a linear head: what a stream trains, as a person might write it."""

    base_model_prefix = "body"
    accepts_loss_kwargs = False

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, token_type_ids: Tensor | None = None
    ) -> dict[str, Tensor]:
        states = self.body(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
        logits = self.head((states * mask).sum(dim=1) / mask.sum(dim=1))
        return {"loss": KINDS.get("classification").loss(logits, labels), "logits": logits}


def stored_gap(module: nn.Module, file: Path) -> float:
    """Return the largest difference between the weights of a module, and those in a file of the engine."""
    stored, ours = load_file(file), dict(module.named_parameters())
    assert stored.keys() == ours.keys()
    return max(float((ours[name].detach() - weight).abs().max()) for name, weight in stored.items())


@pytest.mark.parametrize("scenario", ["class-incremental", "task-incremental"])
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    scenario: str, bert: Path, task: Task, other_task: Task, tmp_path: Path
) -> None:
    """To the last bit; rows of a shared head that answer earlier labels are put in, whatever the model has there."""
    strategy, shares = STRATEGIES.get("seq-star"), scenario == "class-incremental"
    adaptation = adapted("full", open_backbone(str(bert)), weight_decay=0.1)
    context = context_for(adaptation, BUDGET, (task, other_task), tmp_path / "ws", strategy.settings(), scenario)
    first, second = walk(strategy, context, tmp_path / "stream")
    names = ["all", "all"] if shares else [task.name, other_task.name]
    bodies = [state.existing / "body" / "model.safetensors" for state in (first, second)]
    heads = [
        state.existing / "heads" / f"{name}.safetensors" for state, name in zip((first, second), names, strict=True)
    ]

    stage = opened(strategy, at(context, 1), START)
    model, kept = Classifier(stage.model.body, stage.own_head), tmp_path / "first"
    train(model, stage.task, context, kept, [SEQStar(shares_head=shares)])
    assert (stored_gap(model.body, bodies[0]), stored_gap(model.head, heads[0])) == (0, 0)
    stage = opened(strategy, context, first)
    model.head = deepcopy(stage.own_head)
    alone = deepcopy(model)
    if shares:
        with torch.no_grad():
            model.head.weight[:2] = 0
    train(model, stage.task, context, tmp_path / "second", [SEQStar(kept / STATE, shares_head=shares)])
    assert (stored_gap(model.body, bodies[0]), stored_gap(model.head, heads[1])) == (0, 0)
    assert {name for name, _ in model.head.named_parameters()} == {"weight", "bias"}
    train(alone, stage.task, context, tmp_path / "alone", [])
    assert stored_gap(alone.body, bodies[1]) > 1e-3, "or nothing is shown"
    assert read_state(tmp_path / "second" / STATE, "seq-star").tasks == 2


@pytest.mark.parametrize("lora", [False, True])
def test_earlier_rows_of_a_shared_head_stay(lora: bool, bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "1", [SEQStar(shares_head=True)], lora=lora).model
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    plain = model.get_base_model() if lora else model
    plain.num_labels = 3
    grown = nn.Linear(32, 3)
    if lora:
        plain.classifier.modules_to_save["default"] = grown
    else:
        plain.classifier = grown
    start = grown.weight.detach().clone()
    state = tmp_path / "1" / STATE
    model = trained(bert, tmp_path / "2", [SEQStar(state, shares_head=True)], model=model, weight_decay=0.5).model
    after = model.state_dict()
    assert after.keys() == before.keys()
    for name, weight in before.items():
        assert torch.equal(after[name][: len(weight)], weight), name
    assert not torch.equal(grown.weight[2], start[2])
    assert {len(rows) for rows in read_state(tmp_path / "2" / STATE, "seq-star").tensors["head"].values()} == {3}


def test_what_has_no_classifier_or_other_weights_is_refused_before_the_training(
    bert: Path, llama: Path, tmp_path: Path
) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    with pytest.raises(InputError, match="this model has none"):
        trained(bert, tmp_path / "out", [SEQStar()], model=model)
    trained(bert, tmp_path / "1", [SEQStar()])
    with pytest.raises(InputError, match="does not begin where the training before ended"):
        other = classifier(bert)
        with torch.no_grad():
            other.bert.embeddings.word_embeddings.weight.mul_(-1)
        trained(bert, tmp_path / "out", [SEQStar(tmp_path / "1" / STATE)], model=other)
