"""Whoever trains on a target begins alike, with sources or without: the same head, and the start as a fallback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import adapter_workbench.fusion.target.target
from adapter_workbench.fusion.composing.fuse import composition_key, from_scratch, fuse, with_head
from adapter_workbench.fusion.methods import COMPOSITIONS, mix, warm_start
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.updates.lora import layers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.methods.lora import Settings as LoraSettings
from adapter_workbench.workbench.methods.task import Task
from tests.fusion_sources import logits, request_for, train_sources

Starts = list[tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    """Head and logits of each model as its fit began."""
    seen: Starts = []
    real = adapter_workbench.fusion.target.target.fit

    def spy(model: Any, *rest: Any) -> Any:
        seen.append((model.head.weight.detach().clone(), logits(model)))
        return real(model, *rest)

    monkeypatch.setattr(adapter_workbench.fusion.target.target, "fit", spy)
    return seen


def test_a_fresh_lora_begins_as_the_bare_backbone_under_its_fitted_head(request_: Request, starts: Starts) -> None:
    fresh = from_scratch(request_, "lora", LoraSettings())
    bare = adapter_workbench.fusion.target.target.begin(request_.backbone.load(), request_)
    torch.testing.assert_close(starts[0][1], logits(bare.model), rtol=1e-4, atol=1e-4)  # B is 0 at first
    assert fresh.composed.facts == {
        "validation_before": bare.epoch.validation,
        "validation_log_likelihood_before": bare.epoch.validation_log_likelihood,
    }
    assert fresh.head == "trained along"


def test_a_random_head_is_the_same_for_all(request_: Request, starts: Starts) -> None:
    asked = replace(request_, head="random")
    from_scratch(asked, "lora", LoraSettings())
    from_scratch(asked, "full", METHODS.get("full").settings())
    mix.COMPOSITION.compose(asked, mix.Settings())
    warm_start.COMPOSITION.compose(asked, warm_start.Settings())
    heads = [head for head, _ in starts]
    assert len(heads) == 4
    assert all(torch.equal(head, heads[0]) for head in heads)
    from_scratch(request_, "lora", LoraSettings())
    assert not torch.allclose(starts[-1][0], heads[0]), "a fitted head is another one"


@pytest.mark.parametrize("head", ["fitted", "random"])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_what_harms_a_fresh_model_is_not_kept_either(
    method: str, head: Any, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = adapter_workbench.fusion.target.target.begin
    models = []

    def unbeatable(body: torch.nn.Module, request: Request) -> adapter_workbench.fusion.target.target.UntrainedModel:
        begun = begin(body, request)
        models.append(logits(begun.model))
        return replace(begun, epoch=replace(begun.epoch, validation=2.0))

    monkeypatch.setattr(adapter_workbench.fusion.target.target, "begin", unbeatable)
    fresh = from_scratch(replace(request_, head=head), method, METHODS.get(method).settings(learning_rate=0.05))
    assert (fresh.record.best_epoch, fresh.record.validation) == (0, 2.0)
    assert torch.equal(logits(fresh.model), models[0])


def test_adapterfusion_begins_with_the_head_of_what_trains_without_sources(
    task: Task, backbone: Backbone, tmp_path_factory: pytest.TempPathFactory, starts: Starts
) -> None:
    bottlenecks = train_sources(backbone, tmp_path_factory.mktemp("bottlenecks"), "pfeiffer")
    asked = replace(request_for(bottlenecks, task, backbone), head="random")
    card = COMPOSITIONS.get("adapterfusion")
    assert card.trains
    facts = fuse("adapterfusion", asked, card.settings()).composed.facts
    assert facts.keys() == {"validation_before", "validation_log_likelihood_before"}
    from_scratch(asked, "pfeiffer", METHODS.get("pfeiffer").settings())
    assert torch.equal(starts[0][0], starts[1][0])


def test_the_head_is_part_of_the_key_and_earlier_keys_stay(request_: Request) -> None:
    settings = mix.Settings()
    fitted, random = (composition_key("mix", replace(request_, head=head), settings) for head in ("fitted", "random"))
    assert fitted == composition_key("mix", request_, settings)
    assert fitted != random


def test_a_head_is_fitted_after_a_composition_that_does_not_train(request_: Request) -> None:
    """``head`` is about training: a merged body has a fitted head whatever a recipe says."""
    card = COMPOSITIONS.get("average")
    models = [
        with_head(card.compose(asked, card.settings()), asked) for asked in (request_, replace(request_, head="random"))
    ]
    assert torch.equal(*(logits(fused.model) for fused in models))


def test_the_control_of_a_warm_start_is_a_fresh_lora_to_the_last_bit(request_: Request) -> None:
    given = LoraSettings.model_validate(request_.sources[0].manifest.settings)
    fresh = from_scratch(request_, "lora", given)
    own = warm_start.Settings(start=(warm_start.FRESH,), rank=given.rank, learning_rate=given.learning_rate)
    for sources in (request_.sources, request_.sources[:1]):
        control = fuse("warm-start", replace(request_, sources=sources), own)
        assert torch.equal(logits(control.model), logits(fresh.model))
        assert control.record.epochs == fresh.record.epochs


@pytest.mark.parametrize(("method", "alike"), [("lora-plus", "lora"), ("eva", "lora"), ("rslora", "rslora")])
def test_so_is_the_control_of_a_warm_start_from_other_loras(
    method: str, alike: str, task: Task, backbone: Backbone, tmp_path: Path
) -> None:
    """Of a method that begins or trains in a way of its own its numbers are taken, and of rsLoRA the scale too."""
    asked = request_for(train_sources(backbone, tmp_path, method, count=1, rank=4), task, backbone)  # √4 is exact
    given = METHODS.get(alike).settings(rank=4, learning_rate=0.02)
    fresh = from_scratch(asked, alike, given)
    control = fuse("warm-start", asked, warm_start.Settings(start=warm_start.FRESH, rank=4, learning_rate=0.02))
    assert torch.equal(logits(control.model), logits(fresh.model))


@pytest.mark.parametrize("start", ["fresh", "average", "reptile"])
def test_every_start_has_the_scale_and_the_training_of_the_control(start: str, request_: Request) -> None:
    first = request_.sources[0]
    given = first.manifest.settings | {"alpha": 12.0, "dropout": 0.25, "weight_decay": 0.05, "warmup": 0.5}
    first = replace(first, manifest=first.manifest.model_copy(update={"settings": given}))
    asked = replace(request_, sources=(first, *request_.sources[1:]))
    composed = warm_start.COMPOSITION.compose(asked, warm_start.Settings(start=start, rank=4))
    own = composed.settings.model_dump(include={"rank", "alpha", "dropout", "weight_decay", "warmup"})
    assert own == {"rank": 4, "alpha": 12.0, "dropout": 0.25, "weight_decay": 0.05, "warmup": 0.5}
    for layer in layers(composed.body).values():
        assert layer.scaling["default"] == 3.0
        assert layer.lora_dropout["default"].p == 0.25


@pytest.mark.parametrize("start", ["fresh", "average"])
@pytest.mark.parametrize(("method", "scale"), [("lora", 3.0), ("rslora", 6.0)])
def test_another_rank_leaves_the_scale_as_it_is(start: str, method: str, scale: float, request_: Request) -> None:
    """The first source has rank 4 and alpha 12: 12 ÷ 4, and 12 ÷ √4 where its scale is that of rsLoRA."""
    first = request_.sources[0]
    given = first.manifest.settings | {"rank": 4, "alpha": 12.0}
    first = replace(first, manifest=first.manifest.model_copy(update={"settings": given, "method": method}))
    asked = replace(request_, sources=(first, *request_.sources[1:]))
    composed = warm_start.COMPOSITION.compose(asked, warm_start.Settings(start=start, rank=2))
    assert {layer.scaling["default"] for layer in layers(composed.body).values()} == {scale}
