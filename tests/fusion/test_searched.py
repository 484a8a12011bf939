"""lorahub and mix-search: what is searched, by which loss, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset

import adapter_workbench.fusion.methods.lorahub as lorahub
import adapter_workbench.fusion.methods.mix_search as mix_search
import adapter_workbench.fusion.target.target
from adapter_workbench.fusion.methods import adamerging
from adapter_workbench.fusion.target import fitted_head, searching
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.target.searching import SearchSettings, held_out_loss, search, target_loss
from adapter_workbench.fusion.target.target import model_on
from adapter_workbench.fusion.updates.lowrank import LowRank, Update, summed_factors
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.task import Task
from tests.fusion_sources import hidden

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
WEIGHTS = [0.5, -1.25, 0.75]


def only(weights: list[float]) -> Any:
    """Return a search that tries these weights alone."""
    return lambda cost, *rest: [(np.array(weights), cost(np.array(weights)))]


def with_added(request: Request, update: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the states of the backbone with dense ΔW (float64) on its weights."""
    body = request.backbone.load()
    with torch.no_grad():
        for name, delta in update.items():
            module: Any = body.get_submodule(name)
            module.weight += delta.float()
    return hidden(body)


def summed(request: Request, factor: str, weights: list[float]) -> dict[str, torch.Tensor]:
    """Return module → Σ wᵢ Bᵢ or Σ wᵢ Aᵢ, in float64; the sources adapt the same modules."""
    return {
        name: sum(
            weight * getattr(update[name], factor).double()
            for weight, update in zip(weights, request.updates, strict=True)
        )  # type: ignore[misc]
        for name in request.updates[0]
    }


def test_lorahub_multiplies_the_sums_of_factors(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """The authors' get_score: state dict entries are weighted and added, so A and B apart (sail-sg/lorahub)."""
    monkeypatch.setattr(lorahub, "search", only(WEIGHTS))
    composed = lorahub.COMPOSITION.compose(request_, lorahub.Settings())
    b, a = summed(request_, "b", WEIGHTS), summed(request_, "a", WEIGHTS)
    torch.testing.assert_close(hidden(composed.body), with_added(request_, {n: b[n] @ a[n] for n in b}), **CLOSE)
    assert composed.facts["rank"] == 4, "that of a source"
    loss = target_loss(model_on(request_, composed.body), request_)
    assert composed.facts["cost"] == pytest.approx(loss + 0.05 * 2.5 / 3, abs=1e-6), "mean of |wᵢ|"


def test_lorahub_is_far_from_the_sum_of_updates_and_quadratic_in_the_weights() -> None:
    """Its result for orthogonal sources has cross-terms: at 1/n, ΔW = Σᵢⱼ BᵢAⱼ ÷ n², and twice w is four times ΔW."""
    generator = torch.Generator().manual_seed(0)

    def draw() -> Update:
        b = torch.randn(384, 8, generator=generator, dtype=torch.float64)
        return {"m": LowRank(b, torch.randn(8, 384, generator=generator, dtype=torch.float64))}

    updates = [draw() for _ in range(4)]
    summed = summed_factors(updates, np.full(4, 0.25))["m"]
    crossed = sum(first["m"].b @ second["m"].a for first in updates for second in updates) / 16
    torch.testing.assert_close(summed.b @ summed.a, crossed, rtol=1e-12, atol=1e-12)
    mean = sum(update["m"].b @ update["m"].a for update in updates) / 4
    apart = (crossed - mean).norm() / mean.norm()  # type: ignore[union-attr]
    assert apart == pytest.approx(math.sqrt(1 - 1 / 4), abs=0.02), "for unrelated sources"
    twice = summed_factors(updates, np.full(4, 0.5))["m"]
    torch.testing.assert_close(twice.b @ twice.a, 4 * crossed, rtol=1e-12, atol=1e-12)


def test_lorahub_refuses_factors_that_cannot_be_added() -> None:
    update = {"m": LowRank(torch.ones(6, 2), torch.ones(2, 5)), "n": LowRank(torch.ones(6, 2), torch.ones(2, 5))}
    other = {**update, "n": LowRank(torch.ones(6, 3), torch.ones(3, 5))}
    lorahub.require_alike([update, update], ["a", "b"])
    with pytest.raises(InputError, match="n has rank 2 in a and 3 in b") as raised:
        lorahub.require_alike([update, other], ["a", "b"])
    assert "mix-search" in str(raised.value.hint)
    with pytest.raises(InputError, match="a and b adapts n"):
        lorahub.require_alike([update, {"m": update["m"]}], ["a", "b"])


def test_mix_search_adds_the_updates(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mix_search, "search", only(WEIGHTS))
    composed = mix_search.COMPOSITION.compose(request_, mix_search.Settings())
    deltas = {
        name: sum(
            weight * update[name].b.double() @ update[name].a.double()
            for weight, update in zip(WEIGHTS, request_.updates, strict=True)
        )
        for name in request_.updates[0]
    }
    torch.testing.assert_close(hidden(composed.body), with_added(request_, deltas), **CLOSE)  # type: ignore[arg-type]
    loss = target_loss(model_on(request_, composed.body), request_)
    assert composed.facts["cost"] == pytest.approx(loss + 0.05 * 2.5, abs=1e-6), "Σ |wᵢ|"
    cut = mix_search.COMPOSITION.compose(request_, mix_search.Settings(rank=2))
    assert cut.facts["rank"] == 2


@pytest.mark.parametrize("method", [lorahub, mix_search])
def test_the_cheapest_of_all_that_were_tried_is_taken(method: Any, request_: Request) -> None:
    composed = method.COMPOSITION.compose(request_, method.Settings(evaluations=12, regularization=0.0))
    assert composed.facts["evaluations"] == 12
    assert composed.facts["cost"] <= composed.facts["cost_of_zero"]
    assert target_loss(model_on(request_, composed.body), request_) == pytest.approx(composed.facts["cost"])


def test_the_search_keeps_to_bounds_and_budget() -> None:
    wanted = np.array([0.4, -0.7, 3.0])  # the last one lies outside

    def cost(weights: Any) -> float:
        return float(np.square(weights - wanted).sum())

    np.random.seed(7)
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr,index]
    tried = search(cost, 3, SearchSettings(evaluations=200), seed=0)
    assert (np.random.get_state()[1] == before).all(), "numpy's global generator is left alone"  # type: ignore[index]
    assert len(tried) == 200
    assert not tried[0][0].any()
    assert max(np.abs(weights).max() for weights, _ in tried) <= 1.5
    best = min(tried, key=lambda trial: trial[1])[0]
    assert best == pytest.approx([0.4, -0.7, 1.5], abs=0.05)
    again = search(cost, 3, SearchSettings(evaluations=200), seed=0)
    assert all(np.array_equal(first[0], second[0]) for first, second in zip(tried, again, strict=True))
    assert not np.array_equal(search(cost, 3, SearchSettings(), seed=1)[1][0], tried[1][0])
    assert [len(search(cost, 3, SearchSettings(evaluations=n), 0)) for n in (1, 5)] == [1, 5]


def test_held_out_loss_is_scikit_learn_s_cross_validation() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import PredefinedSplit, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    features = generator.standard_normal((40, 6)).astype(np.float32)
    answers = (features[:, 0] + generator.standard_normal(40) > 0).astype(np.int64)
    folds = np.empty(40, dtype=int)
    for label in (0, 1):
        folds[answers == label] = np.arange((answers == label).sum()) % 5
    model = make_pipeline(StandardScaler(), LogisticRegression(C=searching.STRENGTH, max_iter=1000))
    scores = cross_val_score(model, features.astype(float), answers, cv=PredefinedSplit(folds), scoring="neg_log_loss")
    sizes = np.bincount(folds)
    wanted = -(scores * sizes).sum() / sizes.sum()
    assert held_out_loss(features, answers, 2) == pytest.approx(wanted, rel=1e-4)


def test_with_one_example_of_a_label_nothing_is_held_out() -> None:
    features = np.random.default_rng(0).standard_normal((5, 6))
    answers = np.array([0, 0, 0, 0, 1])
    weight, bias = fitted_head.fit(features, answers, 2, searching.STRENGTH)
    wanted = -fitted_head.score(weight, bias, features, answers)[0]
    assert held_out_loss(features.astype(np.float32), answers, 2) == pytest.approx(wanted, rel=1e-4)


def test_a_language_model_s_loss_is_that_of_its_answers(llama: Any, request_: Request) -> None:
    """Beside it, transformers' own loss of the same batch."""
    from transformers import AutoModelForCausalLM

    backbone, count = open_backbone(str(llama)), 5
    columns = {
        "id": [str(n) for n in range(count)],
        "text": ["the cat", "a dog very", "plum", "quite some fig", "one cow"],
        "answer": ["dog", "cat bird", "apple pear", "peach", "this that one"],
        "metric": ["exact-match"] * count,
        "max_new_tokens": [6] * count,
    }
    rows = Dataset.from_dict(columns)
    target = Task("words", "causal-lm", (), {"train": rows, "validation": rows, "test": rows}, "x", "made in tests")
    asked = replace(request_, backbone=backbone, target=target)
    model = model_on(asked, backbone.load())
    assert not adapter_workbench.fusion.target.target.needs_head(model)
    batch = model.kind.collate(backbone.tokenizer)(model.kind.encode(rows, backbone.tokenizer, 16))
    with torch.no_grad():
        wanted = AutoModelForCausalLM.from_pretrained(llama).eval()(**batch).loss.item()
    assert target_loss(model, asked) == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(InputError, match="causal-lm"):
        adamerging.COMPOSITION.compose(asked, adamerging.Settings())
