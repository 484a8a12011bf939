"""progressive-prompts: the newest prompt first, those of earlier tasks as they were, and answers that stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, State
from adapter_workbench.experiments.strategies._heads import stored_head
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import adapted, at, context_for, opened, walk

TOKENS, HIDDEN = 3, 32
STRATEGY = STRATEGIES.get("progressive-prompts")


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def prompts(state: State) -> Tensor:
    return load_file(state.existing / "body" / "adapter_model.safetensors")["prompt_embeddings"]


def test_prompts_of_earlier_tasks_and_their_answers_stay(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"epochs": 1})
    adaptation = adapted("prompt", backbone, tokens=TOKENS, weight_decay=0.5)
    context = context_for(adaptation, budget, tasks, tmp_path, STRATEGY.settings())
    states = walk(STRATEGY, context, tmp_path)
    rows, answers, identities = tasks[0].splits["test"], [], []
    for stage, state in enumerate(states, start=1):
        now, whole = at(context, stage), prompts(state)
        assert whole.shape == (stage * TOKENS, HIDDEN)
        assert torch.equal(whole[-TOKENS:], prompts(states[0])), "the first prompt is the last before the text"
        model = STRATEGY.model_for(state, tasks[0], now)
        answers.append(predict(model, rows, backbone.tokenizer, budget.max_length))
        identities.append(STRATEGY.identity(state, tasks[0], now))
    assert torch.equal(prompts(states[2])[TOKENS:], prompts(states[1]))
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
    assert len(set(identities)) == 1
    assert STRATEGY.identity(states[2], tasks[1], context) != identities[0]


def test_only_the_new_prompt_and_head_are_trained(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    budget = budget.model_copy(update={"epochs": 1})
    adaptation = adapted("prompt", backbone, tokens=TOKENS)
    context = context_for(adaptation, budget, tasks[:2], tmp_path, STRATEGY.settings())
    (state,) = walk(STRATEGY, at(context, 1), tmp_path)
    model = opened(STRATEGY, context, state).model
    shapes = sorted(tuple(parameter.shape) for parameter in model.trainable().values())
    assert shapes == [(2,), (2, HIDDEN), (TOKENS, HIDDEN)]
    words = backbone.load().get_input_embeddings().weight
    begun = model.body.prompt_encoder["default"].embedding.weight
    assert all((words == row).all(dim=1).any() for row in begun[:TOKENS]), "a prompt begins as words"
    assert torch.equal(begun[TOKENS:], prompts(state))


def test_a_text_stands_behind_the_newest_prompt_and_those_before(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """[P₂; P₁; words] into the plain backbone, and the mean over the words under the task's head."""
    budget = budget.model_copy(update={"epochs": 1})
    adaptation = adapted("prompt", backbone, tokens=TOKENS)
    context = context_for(adaptation, budget, tasks, tmp_path, STRATEGY.settings())
    states = walk(STRATEGY, context, tmp_path)
    rows = tasks[1].splits["test"].select([0])
    answers = predict(STRATEGY.model_for(states[2], tasks[1], context), rows, backbone.tokenizer, budget.max_length)
    bare, ids = backbone.load().eval(), backbone.tokenizer(rows["text"][0], return_tensors="pt")["input_ids"]
    embeddings = torch.cat([prompts(states[1]), bare.get_input_embeddings()(ids)[0]])  # stage 2: P₂ and P₁
    with torch.no_grad():
        hidden = bare(inputs_embeds=embeddings[None]).last_hidden_state[0, 2 * TOKENS :]
        expected = stored_head(states[2], tasks[1], context)(hidden.mean(dim=0))
    np.testing.assert_allclose(answers[0], expected.numpy(), rtol=1e-4, atol=1e-5)


def test_the_task_has_to_be_named() -> None:
    kinds, settings = ["classification"], STRATEGY.settings()
    assert STRATEGY.objection(settings, "prompt", kinds, SCENARIOS.get("task-incremental")) is None
    assert "names the task" in (STRATEGY.objection(settings, "prompt", kinds, SCENARIOS.get("class-incremental")) or "")
    assert "prompt" in (STRATEGY.objection(settings, "p-tuning", kinds, SCENARIOS.get("task-incremental")) or "")
