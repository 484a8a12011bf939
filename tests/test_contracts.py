"""What every entry of every registry has to fulfil; a new file is tested without a new test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

from experiments.strategies import STRATEGIES
from tests import closed_forms
from tests.stages import context_for, walk
from workbench.adaptation import HEAD_FILE, Adaptation, save_head
from workbench.backbone import Backbone, fingerprint, open_backbone
from workbench.contracts import Silent, Task
from workbench.errors import InputError
from workbench.evaluation import evaluate
from workbench.kinds import KINDS
from workbench.kinds.causal_lm import Answer
from workbench.libraries import LIBRARIES
from workbench.methods import METHODS, trained_methods
from workbench.settings import Budget, MethodSettings
from workbench.training import fit

MIXED = ["lora+pfeiffer", "prefix+compacter-plus-plus"]  # of two packages, and of one


@pytest.fixture(params=closed_forms.SHAPES)
def any_backbone(request: pytest.FixtureRequest) -> Backbone:
    return open_backbone(str(request.getfixturevalue(request.param)))


TINY = {"diff-pruning": {"density": 0.1}}  # half a percent of so few weights is next to nothing


def adaptation_for(method: str, backbone: Backbone, learning_rate: float = 1e-2) -> Adaptation:
    settings = METHODS.get(method).settings(learning_rate=learning_rate, **TINY.get(method, {}))
    return Adaptation(backbone, method, settings, "fp32")


def possible(adaptation: Adaptation, kind: str) -> Adaptation:
    """Return the adaptation; where its method cannot work, make sure that it says so before anything is loaded."""
    objection = adaptation.card.objection(adaptation.settings, adaptation.backbone.config, kind)
    if objection:
        with pytest.raises(InputError, match="These can: "):
            adaptation.fresh(kind, 2, seed=0)
        pytest.skip(objection)
    return adaptation


@pytest.mark.parametrize("method", [*trained_methods(), *MIXED])
def test_method_learns_and_comes_back_bit_for_bit(
    method: str, any_backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    adaptation = possible(adaptation_for(method, any_backbone), "classification")
    model = adaptation.fresh("classification", 2, seed=0)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    trainable = set(model.trainable())

    record = fit(model, task, adaptation, budget, 0, Silent(), "test")

    assert record.epochs[-1].train_loss < record.epochs[0].train_loss
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed <= trainable, "a parameter was changed that the method does not declare"
    assert {"head.weight", "head.bias"} <= changed
    architecture = any_backbone.config.model_type
    if method == "full":
        assert record.trainable_parameters == sum(parameter.numel() for parameter in model.parameters())
    else:
        shape = closed_forms.SHAPES[architecture]
        assert record.trainable_parameters == closed_forms.body(method, shape) + closed_forms.head(2, shape)

    adaptation.library.save(model.body, tmp_path)
    save_head(model.head, tmp_path / HEAD_FILE)
    assert not list(tmp_path.glob("*.bin")), "weights are stored as safetensors only"
    head = adaptation.stored_head(tmp_path / HEAD_FILE, "classification", 2)
    again = adaptation.load(tmp_path, head, "classification")
    first, second = (
        evaluate(one, task.splits["test"], 2, any_backbone.tokenizer, budget.max_length) for one in (model, again)
    )
    assert first.logits_sha256 == second.logits_sha256
    assert set(again.trainable()) == trainable, "a reloaded model goes on training the same parameters"

    bare = adaptation.library.detach(model.body)
    same = fingerprint(bare.named_parameters()) == any_backbone.fingerprint
    assert same != METHODS.get(method).trains_backbone


@pytest.mark.parametrize("method", METHODS.names())
def test_method_card_is_complete(method: str) -> None:
    card = METHODS.get(method)
    assert METHODS.describe(method)
    assert card.title
    assert card.paper
    assert card.library in LIBRARIES.names()
    assert issubclass(card.settings, MethodSettings)
    assert card.settings().learning_rate > 0, "every setting has a default that works"


def logits(rows: Dataset, right: bool) -> Any:
    sign = 1 if right else -1
    return np.eye(2, dtype=np.float32)[np.array(rows["label"][:])] * 9 * sign


def texts(rows: Dataset, right: bool) -> Any:
    tokens, likelihoods = np.array([7, 3]), np.array([-0.5, -0.1], dtype=np.float32)
    return [Answer(answer if right else "nothing", tokens, likelihoods, likelihoods) for answer in rows["answer"][:]]


# kind: rows of train and test by their right answers, what a model answers to rows, the labels
JUDGED: dict[str, tuple[Callable[[list[int]], Dataset], Callable[[Dataset, bool], Any], tuple[str, ...]]] = {
    "classification": (
        lambda right: Dataset.from_dict({"id": [str(i) for i in range(len(right))], "label": right}),
        logits,
        ("a", "b"),
    ),
    "causal-lm": (
        lambda right: Dataset.from_dict(
            {"id": [str(i) for i in range(len(right))], "answer": [f"{one} words" for one in right]}
        ),
        texts,
        (),
    ),
}


@pytest.mark.parametrize("kind", KINDS.names())
def test_kind_scores_a_perfect_and_a_useless_model(kind: str) -> None:
    entry, (rows_of, answers, labels) = KINDS.get(kind), JUDGED[kind]
    rows = rows_of([1, 0, 0, 0])
    for right in (True, False):
        outcomes = entry.outcomes(rows, answers(rows, right))
        assert entry.scores(outcomes, len(labels))[entry.metric] == float(right)
        assert outcomes["correct"].tolist() == [right] * 4
        assert {"id", "prediction", "confidence", "log_likelihood"} <= set(outcomes.columns)
        assert outcomes["confidence"].between(0, 1).all()
    assert entry.digest(answers(rows, True)) == entry.digest(answers(rows, True))
    assert entry.digest(answers(rows, True)) != entry.digest(answers(rows_of([0, 1]), True))
    said = entry.say(answers(rows, True), labels)
    assert all(isinstance(answer, str) and 0 <= confidence <= 1 for answer, confidence in said)
    assert entry.majority(rows_of([1, 1, 0]), rows) == 0.25
    assert "{{ opening }}" in entry.usage


@pytest.mark.parametrize("method", [*trained_methods(), *MIXED])
def test_method_learns_to_answer_and_comes_back_bit_for_bit(
    method: str, llama: Path, copying: Task, budget: Budget, tmp_path: Path
) -> None:
    backbone, budget = open_backbone(str(llama)), budget.model_copy(update={"max_length": 32})
    adaptation = possible(adaptation_for(method, backbone), "causal-lm")
    model = adaptation.fresh("causal-lm", 0, seed=0)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    output = model.head.get_buffer("weight").clone()
    trainable = set(model.trainable())

    record = fit(model, copying, adaptation, budget, 0, Silent(), "test")

    if trainable:
        assert record.epochs[-1].train_loss < record.epochs[0].train_loss
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed <= trainable
    assert torch.equal(model.head.get_buffer("weight"), output), "the output layer stays the backbone's own"
    whole = sum(parameter.numel() for parameter in model.body.parameters())
    closed_form = whole if method == "full" else closed_forms.body(method, closed_forms.SHAPES["llama"])
    assert record.trainable_parameters == closed_form

    adaptation.library.save(model.body, tmp_path)
    save_head(model.head, tmp_path / HEAD_FILE)
    assert not (tmp_path / HEAD_FILE).exists()
    head = adaptation.stored_head(tmp_path / HEAD_FILE, "causal-lm", 0)
    again = adaptation.load(tmp_path, head, "causal-lm")
    first, second = (
        evaluate(one, copying.splits["test"], 0, backbone.tokenizer, budget.max_length) for one in (model, again)
    )
    assert first.logits_sha256 == second.logits_sha256
    assert set(again.trainable()) == trainable
    fresh = evaluate(
        adaptation.fresh("causal-lm", 0, seed=0), copying.splits["test"], 0, backbone.tokenizer, budget.max_length
    )
    assert fresh.logits_sha256 != first.logits_sha256


@pytest.mark.parametrize("method", [*trained_methods(), *MIXED])
def test_method_generates_with_its_cache_what_it_says_without(method: str, llama: Path, copying: Task) -> None:
    backbone = open_backbone(str(llama))
    model = possible(adaptation_for(method, backbone), "causal-lm").fresh("causal-lm", 0, seed=0)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    rows = Dataset.from_dict({"text": ["the cat really", "some very often quite horse"], "max_new_tokens": [6, 6]})
    answers = model.kind.answers(model, rows, backbone.tokenizer, 32)
    for asked, answer in zip(model.kind.questions(rows, backbone.tokenizer, 32), answers, strict=True):
        ids = torch.tensor([[*asked["input_ids"], *answer.tokens]])
        with torch.inference_mode():
            states = model.states(input_ids=ids, attention_mask=torch.ones_like(ids))[0, -len(answer.tokens) - 1 : -1]
            likelihoods, tokens = model.head(states).log_softmax(dim=-1).max(dim=-1)
        assert tokens.tolist() == answer.tokens.tolist()
        torch.testing.assert_close(likelihoods, torch.tensor(answer.likelihoods), atol=1e-3, rtol=0)


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_strategy_learns_a_stream_and_answers_for_every_task(
    strategy: str, backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    entry = STRATEGIES.get(strategy)
    adaptation, budget = adaptation_for("lora", backbone, 2e-2), budget.model_copy(update={"epochs": 10})
    mild = {"strength": 0.01} if "strength" in entry.settings.model_fields else {}  # 32 features leave little room
    context = context_for(adaptation, budget, (task, other_task), tmp_path, entry.settings(**mild))
    *_, state = walk(entry, context, tmp_path)
    for each in (task, other_task):
        model = entry.model_for(state, each, context)
        found = evaluate(model, each.splits["test"], 2, backbone.tokenizer, budget.max_length)
        again = evaluate(
            entry.model_for(state, each, context), each.splits["test"], 2, backbone.tokenizer, budget.max_length
        )
        assert found.logits_sha256 == again.logits_sha256
        assert entry.identity(state, each, context) == entry.identity(state, each, context)
    assert all(path.exists() for path in entry.kept(state, context))
    assert found.scores["accuracy"] > 0.7, "the task learned last is known"


def test_a_change_of_any_ingredient_changes_the_lesson(backbone: Backbone, task: Task, budget: Budget) -> None:
    from workbench.learning import Lesson

    lesson = Lesson(task, adaptation_for("lora", backbone), budget, 0)
    others = [
        replace(lesson, seed=1),
        replace(lesson, budget=budget.model_copy(update={"epochs": 5})),
        replace(lesson, adaptation=adaptation_for("lora", backbone, learning_rate=2e-2)),
        replace(lesson, adaptation=adaptation_for("pfeiffer", backbone)),
        replace(lesson, task=replace(task, fingerprint="other data")),
    ]
    assert len({lesson.key, *(other.key for other in others)}) == len(others) + 1
