"""l2p: which prompts a text is read behind, what pulls their keys, and what is trained; recomputed in numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import Tensor

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._heads import stored_head
from adapter_workbench.experiments.strategies.l2p import Pool, pool_of
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit
from tests.stages import START, adapted, at, context_for, opened, walk

STRATEGY = STRATEGIES.get("l2p")
SIZE, TOP, TOKENS, HIDDEN = 6, 3, 2, 32


def context_of(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, scenario: str = "task-incremental"
) -> Context:
    adaptation = adapted("prompt", backbone, tokens=TOP * TOKENS)
    budget = budget.model_copy(update={"epochs": 1})
    return context_for(adaptation, budget, tasks, folder, STRATEGY.settings(pool=SIZE, top=TOP), scenario)


@pytest.fixture(scope="module")
def learned(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Context, list[State]]:
    """A context of two tasks, and the states after each of them; nobody writes there."""
    folder = tmp_path_factory.mktemp("l2p")
    context = context_of(backbone, (task, other_task), budget, folder)
    return context, walk(STRATEGY, context, folder)


def stored(state: State) -> dict[str, Tensor]:
    return load_file(state.existing / "body" / "pool.safetensors")


def ranked(query: NDArray[np.float64], keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of the most alike keys, by cosine."""
    cosines = keys @ query / (np.linalg.norm(keys, axis=1) * np.linalg.norm(query))
    return np.argsort(-cosines)[:TOP]


def drawn() -> tuple[Pool, Tensor]:
    generator = torch.Generator().manual_seed(0)
    prompts, keys = torch.randn(SIZE, TOKENS, 4, generator=generator), torch.randn(SIZE, 4, generator=generator)
    return Pool(prompts, keys, TOP), torch.randn(5, 4, generator=generator)


def test_prompts_are_chosen_by_cosine() -> None:
    pool, queries = drawn()
    with torch.no_grad():
        pool.keys[0] *= 100  # a long key is not a better one
    pool.choose(queries)
    keys = pool.keys.detach().double().numpy()
    expected = np.stack([ranked(query, keys) for query in queries.double().numpy()])
    np.testing.assert_array_equal(pool.chosen.numpy(), expected)
    assert len({tuple(row) for row in expected.tolist()}) > 1, "texts differ in their choice"
    before = pool()
    assert before.shape == (5, TOP * TOKENS, 4)
    for row, places in zip(before, expected, strict=True):
        assert torch.equal(row, torch.cat([pool.prompts[index] for index in places]))
    pool.choose(queries[2:3])
    assert pool.chosen[0].tolist() == expected[2].tolist(), "whatever else is asked"


def test_chosen_keys_are_pulled_to_the_query() -> None:
    """Σ (1 − cos(q, k)) over the chosen keys, mean over the texts."""
    pool, queries = drawn()
    pool.choose(queries[:2])
    keys, expected = pool.keys.detach().double().numpy(), []
    for query in queries[:2].double().numpy():
        cosines = [key @ query / np.linalg.norm(key) / np.linalg.norm(query) for key in keys[ranked(query, keys)]]
        expected.append(sum(1 - cosine for cosine in cosines))
    distance = pool.distance()
    assert distance.item() == pytest.approx(np.mean(expected), rel=1e-5)
    distance.backward()
    assert pool.prompts.grad is None
    assert pool.keys.grad is not None
    moved = pool.keys.grad.abs().sum(dim=1) > 0
    assert moved.nonzero().flatten().tolist() == sorted(set(pool.chosen.flatten().tolist()))


def test_a_text_stands_behind_the_prompts_that_its_plain_features_choose(
    backbone: Backbone, task: Task, budget: Budget, learned: tuple[Context, list[State]]
) -> None:
    context, (*_, state) = learned
    rows = task.splits["test"].select([0, 1, 2])
    answers = predict(STRATEGY.model_for(state, task, context), rows, backbone.tokenizer, budget.max_length)
    pool, bare = stored(state), backbone.load().eval()
    head = stored_head(state, task, context)
    for text, answer in zip(rows["text"], answers, strict=True):
        ids = backbone.tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            query = bare(ids).last_hidden_state[0].mean(dim=0)
            places = ranked(query.double().numpy(), pool["keys"].double().numpy())
            before = [pool["prompts"][index] for index in places]
            embeddings = torch.cat([*before, bare.get_input_embeddings()(ids)[0]])
            states = bare(inputs_embeds=embeddings[None]).last_hidden_state[0, TOP * TOKENS :]
            expected = head(states.mean(dim=0)).numpy()
        np.testing.assert_allclose(answer, expected, rtol=1e-4, atol=1e-5)


def test_only_pool_and_head_are_trained_and_the_pool_is_shared(
    backbone: Backbone, learned: tuple[Context, list[State]]
) -> None:
    context, states = learned
    fresh = opened(STRATEGY, at(context, 1), START).model
    trained = fresh.trainable()
    assert sorted(tuple(parameter.shape) for parameter in trained.values()) == [
        (2,),
        (2, HIDDEN),
        (SIZE, TOKENS, HIDDEN),
        (SIZE, HIDDEN),
    ]
    words, prompts = backbone.load().get_input_embeddings().weight, pool_of(fresh).prompts.flatten(0, 1)
    assert all((words == row).all(dim=1).any() for row in prompts), "a prompt begins as words"
    assert pool_of(fresh).keys.abs().max() <= 1
    first, second = (stored(state) for state in states)
    begun = pool_of(opened(STRATEGY, context, states[0]).model)
    assert torch.equal(begun.prompts, first["prompts"])
    assert torch.equal(begun.keys, first["keys"])
    assert not torch.equal(first["keys"], pool_of(fresh).keys.detach()), "keys learn from the first task on"
    assert not torch.equal(first["prompts"], second["prompts"])


def test_queries_are_the_same_while_it_trains(backbone: Backbone, task: Task, budget: Budget, tmp_path: Path) -> None:
    model = opened(STRATEGY, context_of(backbone, (task,), budget, tmp_path), START).model
    batch = dict(backbone.tokenizer(task.splits["train"]["text"][:4], padding=True, return_tensors="pt"))
    with torch.no_grad():
        model.eval()
        model(**batch)
        expected = pool_of(model).queries
        model.train()
        model(**batch)
    assert torch.equal(pool_of(model).queries, expected), "no dropout in the query"
    assert model.body.get_base_model().training, "but in what is trained"


def test_new_labels_are_learned_among_themselves_and_answered_among_all(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    context = context_of(backbone, (task, other_task), budget, tmp_path, "class-incremental")
    states = walk(STRATEGY, context, tmp_path)
    first, second = (load_file(state.existing / "heads" / "all.safetensors") for state in states)
    assert torch.equal(second["weight"][:2], first["weight"])
    assert torch.equal(second["bias"][:2], first["bias"])
    answers = predict(
        STRATEGY.model_for(states[1], context.asked(task), context), task.splits["test"], backbone.tokenizer, 16
    )
    assert answers.shape[1] == 4
    assert np.abs(answers).max() < 100, "no label is left out"


def test_what_it_takes() -> None:
    settings, kinds = STRATEGY.settings(), ["classification", "token-classification"]
    for name in SCENARIOS.names():
        assert STRATEGY.objection(settings, "prompt", kinds, SCENARIOS.get(name)) is None
    scenario = SCENARIOS.get("task-incremental")
    assert "method prompt" in (STRATEGY.objection(settings, "lora", kinds, scenario) or "")
    assert "answer" in (STRATEGY.objection(settings, "prompt", ["causal-lm"], scenario) or "")
    with pytest.raises(ValidationError, match="at most pool"):
        STRATEGY.settings(pool=3, top=4)


def test_prompts_and_keys_learn(backbone: Backbone, task: Task, budget: Budget, tmp_path: Path) -> None:
    """The loss falls by more than what a head on the untouched prompts makes of it, and keys come closer."""
    adaptation = adapted("prompt", backbone, tokens=TOP * TOKENS, learning_rate=0.1)
    budget = budget.model_copy(update={"epochs": 6})
    context = context_for(adaptation, budget, (task,), tmp_path, STRATEGY.settings(pool=SIZE, top=TOP))
    losses = {}
    for name in ("head", "all"):
        stage = opened(STRATEGY, context, START)
        stage.model.penalty = STRATEGY.penalty(stage, 0.1)
        if name == "head":
            stage.model.body.requires_grad_(False)
        record = fit(stage.model, stage.task, adaptation, budget, 0, Silent(), name)
        losses[name] = record.epochs[-1].train_loss
        if name == "all":
            pool, before = pool_of(stage.model), pool_of(opened(STRATEGY, context, START).model)
            before.queries, before.chosen = pool.queries, pool.chosen
            with torch.no_grad():
                assert pool.distance() < before.distance()
    assert losses["all"] < losses["head"]
