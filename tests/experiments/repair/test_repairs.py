"""What each repair does to shared weights, against the formula that it names."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from adapter_workbench.experiments.repairs import REPAIRS, EndOfStream, Shared
from adapter_workbench.fusion.target.fitted_by_folds import fit_head_by_folds
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.answering.evaluation import evaluate, features
from adapter_workbench.workbench.probes._weights import changes
from tests.experiments.repair.conftest import Learned


@pytest.fixture(scope="module")
def streams(learned: Learned) -> Any:
    return cache(learned)


def attempts(stream: EndOfStream, repair: str, **settings: Any) -> list[Any]:
    entry = REPAIRS.get(repair)
    assert entry.objection(stream) is None
    return [*entry.attempts(stream, entry.settings(**settings))]


def deltas(stream: EndOfStream, shared: Shared) -> dict[str, torch.Tensor]:
    """ΔW of every matrix that is not the pretrained one."""
    return {change.name: change.delta for change in changes(shared.body, stream.context.adaptation.backbone)}


def accuracy(stream: EndOfStream, shared: Shared, split: str = "test") -> list[float]:
    read = stream.context.adaptation.backbone.tokenizer, stream.context.budget.max_length
    models = [(stream.model(shared, task), task) for task in stream.context.posed]
    return [evaluate(model, task.splits[split], len(task.labels), *read).scores["accuracy"] for model, task in models]


@pytest.mark.parametrize("repair", [name for name in REPAIRS.names() if name != "undo-merge"])
def test_a_repair_is_a_card_that_leaves_the_stream_as_it_is(repair: str, streams: Any) -> None:
    stream, entry = streams("lora"), REPAIRS.get(repair)
    assert REPAIRS.describe(repair)
    before = deltas(stream, stream.open())
    first, again = (attempts(stream, repair) for _ in range(2))
    assert first
    assert all(attempt.chosen for attempt in first), "what makes an attempt this one can be told"
    for attempt, other in zip(first, again, strict=True):
        assert attempt.chosen == other.chosen
        assert accuracy(stream, attempt.shared) == accuracy(stream, other.shared)
        assert attempt.shared.heads.keys() == stream.open().heads.keys()
    after = deltas(stream, stream.open())
    assert all(torch.equal(after[name], delta) for name, delta in before.items())
    assert entry.settings(), "every setting has a default"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_merge_back_goes_straight_to_the_pretrained_weights(method: str, streams: Any) -> None:
    stream = streams(method)
    whole = deltas(stream, stream.open())
    quarter, all_of_it = attempts(stream, "merge-back", shares=(0.25, 1.0))
    after_quarter = deltas(stream, quarter.shared)
    assert after_quarter.keys() == whole.keys()
    for name, delta in whole.items():
        torch.testing.assert_close(after_quarter[name], 0.75 * delta, atol=1e-6, rtol=1e-5)
    after_all = deltas(stream, all_of_it.shared)
    assert max((float(delta.abs().max()) for delta in after_all.values()), default=0.0) < 1e-6


@pytest.mark.parametrize("method", ["lora", "full"])
def test_rewind_goes_straight_to_the_earlier_weights(method: str, streams: Any) -> None:
    stream = streams(method)
    end, start = (deltas(moment, moment.open()) for moment in (stream, stream.at(1)))
    half, all_of_it = attempts(stream, "rewind", shares=(0.5, 1.0))
    assert half.chosen == {"stage": 1, "share": 0.5}
    halfway, earlier = (deltas(stream, attempt.shared) for attempt in (half, all_of_it))
    for name in end:
        torch.testing.assert_close(halfway[name], (end[name] + start[name]) / 2, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(earlier[name], start[name], atol=1e-5, rtol=1e-4)
    assert accuracy(stream, all_of_it.shared)[0] == accuracy(stream.at(1), stream.at(1).open())[0]


def test_rewind_moves_the_rows_that_a_shared_head_had(streams: Any) -> None:
    stream = streams("lora", "class-incremental")
    before, now = (moment.open().heads["all"].weight for moment in (stream.at(1), stream))
    (back,) = attempts(stream, "rewind", shares=(1.0,))
    moved = back.shared.heads["all"].weight
    assert (len(before), len(now)) == (2, 4)
    assert not torch.equal(before, now[:2])
    torch.testing.assert_close(moved[:2], before)
    assert torch.equal(moved[2:], now[2:]), "the later task's labels have no earlier rows"


def test_rewind_spreads_over_the_states_that_were_kept(streams: Any) -> None:
    stream = streams("lora")
    only = replace(stream, states={2: stream.states[2]})
    assert "keep_states: all" in str(REPAIRS.get("rewind").objection(only))
    many = replace(stream, states={**dict.fromkeys(range(1, 10), stream.states[1]), 2: stream.states[2]})
    context = replace(stream.context, tasks=(*stream.context.tasks[:1] * 9, stream.context.tasks[1]))
    longer = replace(many, context=context, states={**many.states, 10: stream.states[2]})
    tried = attempts(longer, "rewind", shares=(0.5,), states=3)
    assert [attempt.chosen["stage"] for attempt in tried] == [9, 5, 1]


def test_a_refitted_head_answers_what_the_body_still_knows(streams: Any) -> None:
    """With all examples, on the task's own training rows: as good as scikit-learn's best C on validation."""
    stream = streams("full")
    shared = stream.open()
    (attempt,) = attempts(stream, "refit-head", examples=1000)
    own, new = shared.heads, attempt.shared.heads
    assert attempt.chosen == {"examples": 64}, "there are no more"
    assert torch.equal(new["halves"].weight, own["halves"].weight), "the last task's head stays"
    assert not torch.equal(new["animals"].weight, own["animals"].weight)
    assert accuracy(stream, attempt.shared, "train")[0] >= accuracy(stream, shared, "train")[0]
    torch.manual_seed(0)
    broken = Shared(shared.body, {**own, "animals": torch.nn.Linear(32, 2)})
    assert accuracy(stream, attempt.shared)[0] > accuracy(stream, broken)[0]
    assert all(
        torch.equal(a, b) for a, b in zip(attempt.shared.body.parameters(), shared.body.parameters(), strict=True)
    )


def test_a_head_that_tasks_share_is_fitted_on_the_rows_of_all(streams: Any) -> None:
    stream = streams("lora", "class-incremental")
    before = accuracy(stream, stream.open())
    (attempt,) = attempts(stream, "refit-head", examples=1000)
    after = accuracy(stream, attempt.shared)
    assert attempt.shared.heads["all"].weight.shape == (4, 32)
    assert before[0] < 0.1, "no label of the first task is ever the answer"
    assert np.mean(after) > np.mean(before)


def test_the_control_is_scikit_learn_on_frozen_features_of_the_rows_that_choose(streams: Any) -> None:
    """Whatever a stream learned, and on as many rows as it is told."""
    found = {}
    for method in ("full", "lora"):
        stream = streams(method)
        (control,) = attempts(stream, "head-on-frozen")
        rows = [len(task.splits["validation"]) for task in stream.context.drawn]
        assert control.chosen == {"rows": sum(rows)}
        assert (control.training_rows, control.validation_rows) == (0, sum(rows))
        assert not deltas(stream, control.shared), "the backbone is as it was before the stream"
        found[method] = accuracy(stream, control.shared)
    assert found["full"] == found["lora"]
    task = stream.context.drawn[0]
    read = stream.context.adaptation.backbone.tokenizer, stream.context.budget.max_length
    seen, tested = (features(stream.model(control.shared, task), task.splits[s], *read) for s in ("validation", "test"))
    by_folds = fit_head_by_folds(seen, task.splits["validation"]["label"][:], 2)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=by_folds.inverse_regularisation, max_iter=1000))
    answers = model.fit(seen.astype(float), task.splits["validation"]["label"][:]).predict(tested.astype(float))
    assert found["lora"][0] == (answers == np.array(task.splits["test"]["label"][:])).mean()


def test_the_control_of_a_refitted_head_reads_as_many_rows_as_that(streams: Any) -> None:
    stream = streams("lora")
    (refitted,), (control,) = attempts(stream, "refit-head", examples=8), attempts(stream, "head-on-frozen", examples=8)
    assert (refitted.training_rows, control.training_rows) == (8, 16), "the last task keeps the head that it learned"
    (few,) = attempts(stream, "head-on-frozen", validation_examples=4)
    assert (few.training_rows, few.validation_rows) == (0, 8)
    class_incremental = streams("lora", "class-incremental")
    (one_head,) = attempts(class_incremental, "head-on-frozen")
    assert one_head.shared.heads["all"].weight.shape == (4, 32)


def test_intruders_are_scaled_by_what_is_kept_of_them(streams: Any) -> None:
    """Expected by hand: W + ΔW + (λ − 1) Σ σ u vᵀ over intruders, and ΔW cut to the LoRA's rank."""
    stream = streams("lora")
    shared = stream.open()
    layers, rank = lora.layers(shared.body), 8
    for kept in (1.0, 0.25):
        (attempt,) = attempts(stream, "intruders", mitigation_lambda=(kept,), threshold_epsilon=0.9)
        hit = 0
        for name, layer in lora.layers(attempt.shared.body).items():
            old = lora.pair_in(layers[name])
            weight = layer.get_base_layer().weight.detach()
            now = weight + old.b @ old.a
            u, s, vt = torch.linalg.svd(now)
            mine = torch.linalg.svd(weight).U
            nearest = (u.T @ mine).abs().amax(dim=1)[:10]
            intruders = [index for index, cosine in enumerate(nearest) if cosine < 0.9]
            hit += len(intruders)
            wanted = now - weight + (kept - 1) * sum((s[i] * torch.outer(u[:, i], vt[i]) for i in intruders), 0 * now)
            a, b, c = torch.linalg.svd(wanted)
            expected = a[:, :rank] * b[:rank] @ c[:rank]
            new = lora.pair_in(layer, "intruder_reduced")
            torch.testing.assert_close(new.b @ new.a, expected, atol=1e-4, rtol=1e-3)
        assert hit > 0
        assert attempt.shared.body.active_adapter == "intruder_reduced"


@pytest.mark.parametrize(
    ("repair", "method", "why"),
    [
        ("intruders", "full", "no LoRA"),
        ("intruders", "dora", "DoRA"),
        ("merge-back", "pfeiffer", "no LoRA"),
        ("rewind", "dora", "DoRA"),
        ("merge-back", "head", "never trained"),
        ("undo-merge", "lora", "no merge was kept"),
    ],
)
def test_what_a_repair_cannot_do_is_said(repair: str, method: str, why: str, streams: Any) -> None:
    stream = streams(method)
    assert why in str(REPAIRS.get(repair).objection(stream))
