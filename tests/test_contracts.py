"""What every entry of every registry has to fulfil; a new file is tested without a new test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from transformers import BertConfig, LlamaConfig, T5Config

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation, save_head
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.kinds._free_text import Answer
from adapter_workbench.workbench.methods.kinds.token_classification import TaggedText
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.methods import METHODS, trained_methods
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget, MethodSettings
from adapter_workbench.workbench.training import fit
from adapter_workbench.workbench.training.gradient_checkpointing import checkpoint_layers, require_checkpointing
from tests import closed_forms
from tests.conftest import toy
from tests.sampled import first_of_each, waiting
from tests.stages import RATES, context_for, walk

MIXED = ["lora+pfeiffer", "prefix+compacter-plus-plus"]  # of two packages, and of one


TAUGHT = {"bert": "classification", "llama": "causal-lm", "t5": "seq2seq"}  # each method learns one kind on each
AT_HOME = {kind: shape for shape, kind in TAUGHT.items()}  # the other kinds are at home on a BERT
CONFIGS = {"bert": BertConfig(), "llama": LlamaConfig(), "t5": T5Config()}
EVERY_KIND = {"lora", "full"}

TINY = {
    "diff-pruning": {"density": 0.1},  # half a percent of so few weights is next to nothing
    "road": {"group_size": 16},  # LLaMA's keys and values here are 16 wide
    "c3a": {"block_size": 16},
    "vblora": {"vector_length": 16},
    "fourierft": {"n_frequency": 200},
    "wave-ft": {"n_frequency": 200},
}


def adaptation_for(method: str, backbone: Backbone, learning_rate: float = 1e-2) -> Adaptation:
    settings = METHODS.get(method).settings(learning_rate=learning_rate, **TINY.get(method, {}))
    return Adaptation(backbone, method, settings, "fp32")


def works(method: str, shape: str) -> bool:
    """Tell whether a method can work on an architecture, for the kind that is learned there."""
    card = METHODS.get(method)
    return not card.objection(card.settings(**TINY.get(method, {})), CONFIGS[shape], TAUGHT[shape])


def turn(method: str) -> str:
    """Return the architecture on which a method is tested on each change: theirs go round, so that all are tested.

    One that works on none, since its package is not installed, is skipped on whichever.
    """
    shapes, first = [*CONFIGS], crc32(method.encode()) % len(CONFIGS)
    return next((shape for shape in shapes[first:] + shapes[:first] if works(method, shape)), shapes[first])


EVERY_METHOD = [*trained_methods(), *MIXED]
GENERATING = sorted(EVERY_METHOD, key=lambda method: not works(method, "llama"))
TURNS = {method: turn(method) for method in EVERY_METHOD}


def on_each_change(method: str, kind: str, shape: str) -> bool:
    """Tell whether a case is for every change; ``make acceptance`` has them all."""
    if method in EVERY_KIND:
        return shape == AT_HOME.get(kind, "bert")
    return shape == TURNS[method]


CASES = [
    waiting((method, kind, shape), unless=on_each_change(method, kind, shape), id=f"{shape}-{method}-{kind}")
    for shape in closed_forms.SHAPES
    for method in EVERY_METHOD
    for kind in KINDS.names()
    if kind == TAUGHT[shape] or method in EVERY_KIND
]


opened = cache(open_backbone)  # its weights are read by every test, its fingerprint once


@pytest.fixture(scope="session")
def toys() -> Callable[[str], Task]:
    return cache(toy)


def objection(adaptation: Adaptation, kind: str) -> str | None:
    """Return why kind or method cannot work here, after making sure that it is said before anything is loaded."""
    config = adaptation.backbone.config
    for reason, hint in (
        (KINDS.get(kind).objection(config), "It can be used for "),
        (adaptation.card.objection(adaptation.settings, config, kind), "These can: "),
    ):
        if reason:
            with pytest.raises(InputError, match=hint):
                adaptation.fresh(kind, 2, seed=0)
            return reason
    return None


def possible(adaptation: Adaptation, kind: str) -> Adaptation:
    """Return the adaptation; where it cannot work, there is nothing to test."""
    if reason := objection(adaptation, kind):
        pytest.skip(reason)
    return adaptation


@pytest.mark.parametrize("shape", closed_forms.SHAPES)
def test_what_a_method_cannot_do_is_refused_for_every_kind(
    shape: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = opened(str(request.getfixturevalue(shape)))
    monkeypatch.setattr(Backbone, "load", lambda *_: pytest.fail("a model was loaded that cannot be adapted"))
    refused = {
        (method, kind)
        for method in EVERY_METHOD
        for kind in KINDS.names()
        if objection(adaptation_for(method, backbone), kind)
    }
    assert {kind for _, kind in refused}, "there is something on each that cannot be done"
    assert not {("lora", TAUGHT[shape]), ("full", TAUGHT[shape])} & refused
    taught = {case.values[:2] for case in CASES if case.values[2] == shape and not case.marks}
    assert not taught & refused, "what is taught on each change is taught"


@pytest.mark.parametrize(("method", "kind", "shape"), CASES)
def test_method_learns_and_comes_back_bit_for_bit(
    method: str, kind: str, shape: str, toys: Callable[[str], Task], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    any_backbone = opened(str(request.getfixturevalue(shape)))
    rate = 2e-3 if method == "full" else 1e-2
    adaptation, task = possible(adaptation_for(method, any_backbone, rate), kind), toys(kind)
    epochs = 4 if method == "s4" else 2  # it has four methods in two layers, and noise in its prefixes to get over
    budget, labels = Budget(epochs=epochs, batch_size=8, max_length=24, precision="fp32"), len(task.labels)
    model = adaptation.fresh(kind, labels, seed=0)
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in model.head.named_buffers()}
    trainable = set(model.trainable())

    record = fit(model, task, adaptation, budget, 0, Silent(), "test")

    if trainable:
        assert record.epochs[-1].train_loss < record.epochs[0].train_loss
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    counted = {name for name in changed if ".ranknum." in name}  # AdaLoRA's: how many singular values it has left
    assert bool(changed) == bool(trainable) == adaptation.card.trains
    assert changed - counted <= trainable, "a parameter was changed that the method does not declare"
    reshaped = [name for name, parameter in model.named_parameters() if parameter.shape != before[name].shape]
    assert adaptation.card.reshapes or not reshaped
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.head.named_buffers())
    sizes, own = closed_forms.SHAPES[shape], kind not in GENERATED
    assert ({"head.weight", "head.bias"} <= changed) == own
    outputs = 1 if kind == "regression" else labels
    whole = sum(parameter.numel() for parameter in model.body.parameters())
    body = whole if method == "full" else closed_forms.body(method, sizes)
    assert record.trainable_parameters == body + (closed_forms.head(outputs, sizes) if own else 0)

    adaptation.library.save(model.body, tmp_path)
    save_head(model.head, tmp_path / HEAD_FILE)
    assert (tmp_path / HEAD_FILE).exists() == own, "a head of the backbone's own is not stored"
    assert not list(tmp_path.glob("*.bin")), "weights are stored as safetensors only"
    head = adaptation.stored_head(tmp_path / HEAD_FILE, kind, labels)
    again, fresh = adaptation.load(tmp_path, head, kind), adaptation.fresh(kind, labels, seed=0)
    first, second, untrained = (
        evaluate(candidate, task.splits["test"], labels, any_backbone.tokenizer, budget.max_length).logits_sha256
        for candidate in (model, again, fresh)
    )
    assert first == second
    assert first != untrained
    assert set(again.trainable()) == trainable, "a reloaded model goes on training the same parameters"

    bare = adaptation.library.detach(model.body)
    same = fingerprint(bare.named_parameters()) == any_backbone.fingerprint
    assert same == (method != "full"), "what was trained in place is put back, but for a whole model"


@pytest.mark.parametrize(
    ("method", "shape"),
    [
        waiting((method, shape), unless=shape == TURNS[method])
        for method in EVERY_METHOD
        for shape in closed_forms.SHAPES
    ],
)
def test_method_has_the_same_gradients_where_activations_are_computed_again(
    method: str, shape: str, request: pytest.FixtureRequest
) -> None:
    adaptation = possible(adaptation_for(method, opened(str(request.getfixturevalue(shape)))), "classification")
    if not adaptation.card.recomputes:
        with pytest.raises(InputError, match="gradient checkpointing"):
            require_checkpointing(method, adaptation.backbone.config)
        return
    kept, again = (_gradients(adaptation, wanted) for wanted in (False, True))
    assert kept.keys() == again.keys()
    for name, gradient in kept.items():
        if shape == "t5":  # the sums of what both halves share are taken in another order
            rounding = 1e-5 * max(1.0, float(gradient.abs().max()))  # of a sum it goes with its largest part
            torch.testing.assert_close(again[name], gradient, atol=rounding, rtol=1.3e-6)
        else:
            assert torch.equal(again[name], gradient), name


def _gradients(adaptation: Adaptation, checkpointing: bool) -> dict[str, torch.Tensor]:
    model = adaptation.fresh("classification", 2, seed=0).train()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    ids = torch.randint(5, 20, (4, 12))
    with checkpoint_layers(model.body, checkpointing):
        loss = model(labels=torch.tensor([0, 1, 1, 0]), input_ids=ids, attention_mask=torch.ones_like(ids))["loss"]
        loss.backward()
    gradients = {name: parameter.grad for name, parameter in model.trainable().items() if parameter.grad is not None}
    assert len(gradients) > 1
    return gradients


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


def decisions(rows: Dataset, right: bool) -> Any:
    wanted = np.zeros((len(rows), 2), dtype=np.float32)
    for row, labels in zip(wanted, rows["labels"][:], strict=True):
        row[labels] = 1
    return (wanted - 0.5) * (9 if right else -9)


def values(rows: Dataset, right: bool) -> Any:
    return np.array(rows["value"][:]) + (0 if right else 9)


def tags(rows: Dataset, right: bool) -> Any:
    sign = 9 if right else -9
    return [TaggedText(("one", "two"), np.eye(2, dtype=np.float32)[tag_ids] * sign) for tag_ids in rows["tags"][:]]


def texts(rows: Dataset, right: bool) -> Any:
    tokens, likelihoods = np.array([7, 3]), np.array([-0.5, -0.1], dtype=np.float32)
    return [Answer(answer if right else "nothing", tokens, likelihoods, likelihoods) for answer in rows["answer"][:]]


def rows_with(right: list[int], **columns: list[Any]) -> Dataset:
    return Dataset.from_dict({"id": [str(i) for i in range(len(right))], **columns})


def scaled(right: list[int]) -> Dataset:
    count = len(right)
    return rows_with(right, value=[float(number) for number in right], centre=[0.0] * count, spread=[1.0] * count)


def tagged(right: list[int]) -> Dataset:
    features = Features({"id": Value("string"), "tags": List(ClassLabel(names=["DET", "NOUN"]))})
    return rows_with(right, tags=[[0, tag] for tag in right]).cast(features)


def words(right: list[int]) -> Dataset:
    return rows_with(right, answer=[f"{number} words" for number in right])


# kind: rows by their right answers, what a model answers to rows, the labels, and what the most frequent answer of
# 1, 1, 0 scores on 1, 0, 0, 0
JUDGED: dict[str, tuple[Callable[[list[int]], Dataset], Callable[[Dataset, bool], Any], tuple[str, ...], float]] = {
    "classification": (lambda right: rows_with(right, label=right), logits, ("a", "b"), 1 / 4),
    "multilabel": (
        lambda right: rows_with(right, labels=[[label] for label in right]),
        decisions,
        ("a", "b"),
        2 * 1 / (4 + 4),  # one hit; four given, four wanted
    ),
    "regression": (scaled, values, (), 1 - ((1 / 3) ** 2 + 3 * (2 / 3) ** 2) / 4 / (3 / 16)),  # 1 − MSE ÷ variance
    "token-classification": (tagged, tags, ("DET", "NOUN"), 7 / 8),
    "causal-lm": (words, texts, (), 1 / 4),
    "seq2seq": (words, texts, (), 1 / 4),
}


@pytest.mark.parametrize("kind", KINDS.names())
def test_kind_scores_a_perfect_and_a_useless_model(kind: str) -> None:
    entry, (rows_of, answers, labels, constant) = KINDS.get(kind), JUDGED[kind]
    rows = rows_of([1, 0, 0, 0])
    for right in (True, False):
        outcomes = entry.outcomes(rows, answers(rows, right))
        score = entry.scores(outcomes, len(labels))[entry.metric]
        assert score == 1.0 if right else score <= 0.0
        assert outcomes["correct"].tolist() == [right] * 4
        assert {"id", "prediction", "confidence", "log_likelihood"} <= set(outcomes.columns)
        assert outcomes["confidence"].dropna().between(0, 1).all()
        if "score" in outcomes:
            assert outcomes["score"].mean() == score, "what a bootstrap over examples compares"
    assert entry.digest(answers(rows, True)) == entry.digest(answers(rows, True))
    assert entry.digest(answers(rows, True)) != entry.digest(answers(rows_of([0, 1]), True))
    spoken = entry.say(answers(rows, True), labels)
    assert all(isinstance(answer, str) and (sure is None or 0 <= sure <= 1) for answer, sure in spoken)
    values = entry.values(answers(rows, True), labels)
    assert json.loads(json.dumps(values)) == values, "plain values, as a person's own data have them"
    assert len(values) == 4
    assert values[0] != values[1] == values[2]
    assert entry.target in rows.column_names
    assert entry.majority(rows_of([1, 1, 0]), rows) == pytest.approx(constant)
    assert "{{ opening }}" in entry.usage


@pytest.mark.parametrize("method", first_of_each(GENERATING, lambda method: METHODS.get(method).library))
def test_method_generates_with_its_cache_what_it_says_without(method: str, llama: Path, copying: Task) -> None:
    backbone = opened(str(llama))
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


def taught_elsewhere(strategy: str) -> bool:
    """Tell whether a strategy learns streams in a file of its own, and shares with others what this contract tests."""
    file = f"test_strategies_{strategy.replace('-', '_')}.py"
    shares = type(STRATEGIES.get(strategy)).__bases__ != (object,)
    return shares and (Path(__file__).parent / "experiments" / file).exists()


@pytest.mark.parametrize(
    "strategy",
    [
        waiting(name, unless=not taught_elsewhere(name))
        for name in STRATEGIES.names()
        if name != "given"  # it learns nothing
    ],
)
def test_strategy_learns_a_stream_and_answers_for_every_task(
    strategy: str, backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    entry = STRATEGIES.get(strategy)
    method = getattr(entry, "method", None) or "lora"  # one that goes with its own method alone
    adaptation, budget = adaptation_for(method, backbone, RATES[method]), budget.model_copy(update={"epochs": 10})
    strength = 1e-5 if strategy == "n-lora" else 0.01  # 32 features leave little room
    mild = {"strength": strength} if "strength" in entry.settings.model_fields else {}
    context = context_for(adaptation, budget, (task, other_task), tmp_path, entry.settings(**mild))
    *_, state = walk(entry, context, tmp_path)
    scores = []
    for own_task in (task, other_task):
        model = entry.model_for(state, own_task, context)
        evaluation = evaluate(model, own_task.splits["test"], 2, backbone.tokenizer, budget.max_length)
        again = evaluate(
            entry.model_for(state, own_task, context), own_task.splits["test"], 2, backbone.tokenizer, budget.max_length
        )
        assert evaluation.logits_sha256 == again.logits_sha256
        scores.append(evaluation.scores["accuracy"])
    assert all(path.exists() for path in entry.kept(state, context))
    identities = [entry.identity(state, own_task, context) for own_task in (task, other_task)]
    for name in entry.disposable:
        atomic.remove_whole(state.existing / name)
    after = [entry.identity(state, own_task, context) for own_task in (task, other_task)]
    assert after == identities, "which answers are known is told without what may be dropped"
    frozen = strategy in ("ranpac", "seq-star")  # after the first task, and so tiny a body tells little of the other
    slow = strategy in ("l2p", "progressive-prompts")  # on so tiny a body: test_strategies.py gives them a higher rate
    if not slow:
        assert scores[0 if frozen else 1] > 0.7, "the task that the body learned last is known"


def test_a_change_of_any_ingredient_changes_the_lesson(backbone: Backbone, task: Task, budget: Budget) -> None:
    from adapter_workbench.workbench.training import Lesson

    lesson = Lesson(task, adaptation_for("lora", backbone), budget, 0)
    others = [
        replace(lesson, seed=1),
        replace(lesson, budget=budget.model_copy(update={"epochs": 5})),
        replace(lesson, adaptation=adaptation_for("lora", backbone, learning_rate=2e-2)),
        replace(lesson, adaptation=adaptation_for("pfeiffer", backbone)),
        replace(lesson, task=replace(task, fingerprint="other data")),
    ]
    assert len({lesson.key, *(other.key for other in others)}) == len(others) + 1
