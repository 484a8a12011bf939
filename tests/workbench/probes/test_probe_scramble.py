"""A network scrambled on purpose in its upper half: linear, cka and head-refit each point at the right layers."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import BertConfig, BertModel

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.probes import PROBES, ProbeContext
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit
from tests.tiny_models import FILLERS, FRUITS, SUBJECTS, WORDS, write_model

ContextOf = Callable[..., ProbeContext]

LAYERS, HALF = 4, 2


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """Four layers whose weights are small enough that every one of them still tells the words apart."""
    config = BertConfig(
        vocab_size=len(WORDS) + 5,
        hidden_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.05,
    )
    return open_backbone(str(write_model(tmp_path_factory.mktemp("deep"), BertModel, config)))


@pytest.fixture(scope="module")
def nouns() -> Task:
    """Animals against fruit between fillers; 128 examples to fit and 128 to score."""
    generator = random.Random(0)

    def rows(split: str) -> Dataset:
        labels = [index % 2 for index in range(128)]
        words = [[generator.choice(FILLERS), generator.choice([SUBJECTS, FRUITS][y])] for y in labels]
        texts = [" ".join(generator.sample([*pair, generator.choice(FILLERS)], 3)) for pair in words]
        return Dataset.from_dict({"id": [f"{split}-{i}" for i in range(128)], "text": texts, "label": labels})

    splits = {name: rows(name) for name in ("train", "validation", "test")}
    return Task("nouns", "classification", ("animal", "fruit"), splits, "", "made in tests")


@pytest.fixture(scope="module")
def learned(deep: Backbone, nouns: Task) -> TaskModel:
    adaptation = Adaptation(deep, "head", METHODS.get("head").settings(learning_rate=0.3), "fp32")
    model = adaptation.fresh("classification", 2, seed=0)
    budget = Budget(epochs=40, batch_size=16, max_length=16, precision="fp32")
    fit(model, nouns, adaptation, budget, seed=0, listener=Silent(), label="")
    return model.eval()


@torch.no_grad()
def scrambled(model: TaskModel, seed: int) -> TaskModel:
    """Draw the matrices of the upper half anew, and let one feature pass each of its normalisations.

    New matrices alone are not enough: a random layer's output, added to the residual stream, still separates labels.
    """
    torch.manual_seed(seed)
    broken: Any = copy.deepcopy(model)
    for block in broken.body.encoder.layer[HALF:]:
        for module in block.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_()
            elif isinstance(module, nn.LayerNorm):
                module.weight.zero_()[seed] = 1
    scrambled_model: TaskModel = broken
    return scrambled_model


def measure(probe: str, context: ProbeContext) -> dict[str, float]:
    return dict(PROBES.get(probe).measure(context.model, context))


@pytest.mark.parametrize("seed", range(3))
def test_the_scrambled_layers_are_pointed_at(
    seed: int, learned: TaskModel, deep: Backbone, nouns: Task, context_of: ContextOf
) -> None:
    before = context_of(learned, nouns, deep)
    after = context_of(scrambled(learned, seed), nouns, deep, learned=before.hidden)
    whole, broken, alike = measure("linear", before), measure("linear", after), measure("cka", after)
    for layer in (f"layer-{k}" for k in range(HALF + 1)):
        assert broken[layer] == whole[layer] > 0.9
        assert alike[layer] == pytest.approx(1, abs=1e-6)
    for layer in (f"layer-{k}" for k in range(HALF + 1, LAYERS + 1)):
        assert whole[layer] > 0.9
        assert broken[layer] < 0.7
        assert alike.get(layer, 0) < 0.3
    refit = measure("head-refit", after)
    assert measure("head-refit", before)["head"] > 0.85
    assert refit["head"] < 0.7
    assert refit["refitted"] == broken[f"layer-{LAYERS}"], "what the layers lost, no head brings back"
    assert refit["recovered"] < 0.2


def test_what_only_the_head_lost_comes_back_whole(
    learned: TaskModel, deep: Backbone, nouns: Task, context_of: ContextOf
) -> None:
    before = context_of(learned, nouns, deep)
    turned: Any = copy.deepcopy(learned)
    last = turned.body.encoder.layer[-1].output.LayerNorm
    with torch.no_grad():
        last.weight.neg_()  # the last states × −1: all is there, and the old head answers the opposite
        last.bias.neg_()
        turned.head.bias.zero_()
        unbiased = copy.deepcopy(learned)
        unbiased.head.bias.zero_()
    after = context_of(turned, nouns, deep, learned=before.hidden)
    old = measure("head-refit", context_of(unbiased, nouns, deep))["head"]
    refit = measure("head-refit", after)
    assert refit["head"] == pytest.approx(1 - old)
    assert refit["refitted"] == measure("head-refit", before)["refitted"] > 0.9
    assert refit["recovered"] == pytest.approx(refit["refitted"] - refit["head"])
    assert measure("linear", after) == measure("linear", before)
    assert measure("cka", after)[f"layer-{LAYERS}"] == pytest.approx(1, abs=1e-6)
