"""``targets`` that a method cannot adapt are told when a fit is planned; AdaLoRA fits with all others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import make_task
from tests.sampled import waiting
from tests.test_contracts import TINY
from tests.tiny_models import FRUITS, SUBJECTS
from workbench.backbone.pretrained import Backbone
from workbench.machine.listener import Silent
from workbench.methods.adaptation import Adaptation
from workbench.methods.methods import METHODS, trained_methods
from workbench.settings.base import Budget
from workbench.training.lesson import Lesson, teach

TARGETED = [name for name in trained_methods() if "targets" in METHODS.get(name).settings.model_fields]
WITH_EMBEDDINGS = {"lora", "dora", "rslora", "oft"}
STEP = Budget(epochs=1, batch_size=64, max_length=16, precision="fp32")  # more rows than there are: one step


def adapting(backbone: Backbone, method: str, *targets: str, **settings: Any) -> Adaptation:
    tiny = {name: value for name, value in TINY.get(method, {}).items() if name != "targets"}
    return Adaptation(backbone, method, METHODS.get(method).settings(targets=targets, **(tiny | settings)), "fp32")


@pytest.mark.parametrize("method", [waiting(name, unless=name in {*WITH_EMBEDDINGS, "adalora"}) for name in TARGETED])
def test_modules_that_cannot_be_adapted_are_named(method: str, backbone: Backbone) -> None:
    def objection(*targets: str) -> str:
        adaptation = adapting(backbone, method, *targets)
        return adaptation.card.objection(adaptation.settings, backbone.config, "classification") or ""

    assert "embeddings.LayerNorm, a module LayerNorm" in objection("query", "LayerNorm")
    if method not in WITH_EMBEDDINGS:
        assert "embeddings.word_embeddings, a module Embedding, which is not a linear layer" in objection(
            "query", "word_embeddings"
        )
        return
    model = adapting(backbone, method, "word_embeddings").fresh("classification", 2, 0)
    model.body(**backbone.tokenizer(["the cat"], return_tensors="pt")).last_hidden_state.sum().backward()
    learned = [part for name, part in model.body.named_parameters() if part.requires_grad and "word_embed" in name]
    assert any(part.grad is not None and part.grad.any() for part in learned)


@pytest.mark.parametrize(
    ("targets", "settings", "budget", "rank"),
    [
        (("query",), {"rank": 12}, {"batch_size": 8}, 12),  # nothing is to be cut
        (("query", "value", "dense"), {}, {"batch_size": 8}, 8),  # `dense` is a layer of the pooler, too
        (("query",), {}, {}, 12),  # one step, before whose end no importance was measured
    ],
)
def test_adalora_fits(
    targets: tuple[str, ...], settings: dict[str, int], budget: dict[str, int], rank: int, backbone: Backbone
) -> None:
    adaptation = adapting(backbone, "adalora", *targets, **settings)
    lesson = Lesson(make_task("animals", SUBJECTS, FRUITS, 64), adaptation, STEP.model_copy(update=budget), seed=0)
    model, record = teach(lesson, Silent(), "test")
    assert record.steps == (8 if budget else 1)
    ranks = {name: len(part) for name, part in model.body.named_parameters() if ".lora_E." in name}
    assert sum(ranks.values()) == rank * len(ranks)
    assert not any("pooler" in name for name in ranks)
