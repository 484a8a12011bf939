"""Arrow for each token: what peft's own program makes of the same folders, and the formula."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import ArrowConfig, create_arrow_model
from torch import Tensor
from transformers import AutoModel

from adapter_workbench.fusion.composing.fuse import fuse, keep_composition
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries.arrow import LIBRARY, ROUTER, experts
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training import Lesson, learn
from tests.fusion_sources import BUDGET, hidden, request_for, train_sources

NAME = "arrow-tokens"


@pytest.fixture(scope="module")
def sources(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[StoredAdapter, ...]:
    return train_sources(backbone, tmp_path_factory.mktemp("sources"), "lora")


@pytest.fixture
def asked(sources: tuple[StoredAdapter, ...], backbone: Backbone) -> Request:
    return request_for(sources, None, backbone)


def composed(asked: Request, **settings: Any) -> Any:
    card = COMPOSITIONS.get(NAME)
    return card.compose(asked, card.settings(**settings)).body


def layers(body: Any) -> dict[str, Any]:
    return {name: module for name, module in body.named_modules() if hasattr(module, "lora_arrow")}


@pytest.mark.parametrize("general", [0, 1])
def test_it_says_what_peft_s_program_says(asked: Request, bert: Path, general: int) -> None:
    folders = [str(source.folder) for source in asked.sources]
    config = ArrowConfig(top_k=2, router_temperature=0.5, use_gks=general > 0, rng_seed=0)
    count = len(folders) - general
    theirs = create_arrow_model(AutoModel.from_pretrained(bert), folders[:count], config, folders[count:])
    mine = composed(asked, top_k=2, temperature=0.5, general=general)
    torch.testing.assert_close(hidden(mine), hidden(theirs))


def test_tokens_are_routed_under_autocast_too(asked: Request) -> None:
    body = composed(asked, top_k=2, temperature=0.5)
    exact = hidden(body)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = hidden(body)
    torch.testing.assert_close(half.float(), exact, atol=0.1, rtol=0.1)


def test_a_token_is_answered_by_those_that_respond_most(asked: Request) -> None:
    body = composed(asked, top_k=2, temperature=0.5)
    seen: list[tuple[Any, Tensor, Tensor]] = []
    for layer in layers(body).values():
        layer.register_forward_hook(lambda layer, given, output: seen.append((layer, given[0], output)))
    hidden(body)
    assert len(seen) == 4
    for layer, x, output in seen:
        vectors = layer.lora_arrow[ROUTER].prototypes  # (experts, in)
        responses = (x @ vectors.T).abs()
        third = responses.sort(dim=-1).values[..., :1]
        shares = (responses / 0.5).masked_fill(responses <= third, float("-inf")).softmax(dim=-1)
        wanted = layer.base_layer(x)
        for index, name in enumerate(experts(body)):
            update = layer.scaling[name] * layer.lora_B[name].weight @ layer.lora_A[name].weight
            wanted = wanted + shares[..., index : index + 1] * (x @ update.T)
        torch.testing.assert_close(output, wanted, atol=1e-4, rtol=1e-4)


def test_general_knowledge_is_taken_off_both_factors(asked: Request) -> None:
    plain, less = composed(asked), composed(asked, general=1)
    assert experts(less) == experts(plain)[:2]
    for layer, other in zip(layers(plain).values(), layers(less).values(), strict=True):
        for factors, remaining in ((layer.lora_A, other.lora_A), (layer.lora_B, other.lora_B)):
            for name in experts(less):
                wanted = factors[name].weight - factors["task_2"].weight
                torch.testing.assert_close(remaining[name].weight, wanted)


def test_factors_of_different_scales_are_not_taken_off_each_other(asked: Request, tmp_path: Path) -> None:
    """Twice the alpha is twice the update of the same factors: their difference would not be that of the updates."""
    *others, last = asked.sources
    folder = tmp_path / "louder"
    shutil.copytree(last.folder, folder)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    (folder / CONFIG).write_text(json.dumps(config | {"lora_alpha": 2 * config["lora_alpha"]}), encoding="utf-8")
    louder = replace(asked, sources=(*others, replace(last, folder=folder)))
    assert len(experts(composed(louder))) == 3
    with pytest.raises(InputError, match="different scales"):
        composed(louder, general=1)


def test_it_is_stored_and_answers_for_its_target(
    sources: tuple[StoredAdapter, ...], backbone: Backbone, task: Task, tmp_path: Path
) -> None:
    request, card = request_for(sources, task, backbone), COMPOSITIONS.get(NAME)
    fused = fuse(NAME, request, card.settings())
    states = hidden(fused.model.body)
    stored = keep_composition("routed", fused, NAME, request, card.settings(), AdapterStore(tmp_path))
    assert sorted(path.name for path in stored.folder.glob("task_*")) == ["task_0", "task_1", "task_2"]
    model = open_adapter(stored, backbone)
    assert torch.equal(hidden(model.body), states)
    assert not model.trainable().keys() - {"head.weight", "head.bias"}

    texts = ["the cat often", "a plum very"]
    program = (stored.folder / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    space: dict[str, Any] = {"backbone": str(backbone.folder), "folder": str(stored.folder), "texts": texts}
    exec(program, space)
    wanted = model.kind.answers(model, Dataset.from_dict({"text": texts}), backbone.tokenizer, 16)
    torch.testing.assert_close(space["logits"], torch.tensor(wanted))


def test_the_order_of_many_stays(asked: Request, backbone: Backbone, tmp_path: Path) -> None:
    many = Request(**{**vars(asked), "sources": asked.sources * 4})
    composed_card = COMPOSITIONS.get(NAME)
    result = composed_card.compose(many, composed_card.settings())
    LIBRARY.save(result.body, tmp_path)
    again = Adaptation(backbone, NAME, result.settings, "fp32").load(tmp_path, torch.nn.Identity(), "classification")
    assert experts(again.body) == [f"task_{index}" for index in range(12)]
    assert torch.equal(hidden(again.body), hidden(result.body))


def test_sources_that_peft_cannot_route_between_are_refused(asked: Request, backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves 1 to choose from"):
        composed(asked, general=2)
    (other,) = train_sources(backbone, tmp_path, "lora", count=1, rank=4)
    with pytest.raises(InputError, match="other modules or ranks"):
        composed(Request(**{**vars(asked), "sources": (*asked.sources, other)}))


def test_a_language_model_answers_under_its_own_head(llama: Path, copying: Task, tmp_path: Path) -> None:
    backbone, store = open_backbone(str(llama)), AdapterStore(tmp_path)
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(learning_rate=2e-2), "fp32")
    budget = BUDGET.model_copy(update={"train_examples": 16, "eval_examples": 4})
    parts = [learn(Lesson(copying, adaptation, budget, seed), store, Silent(), "source") for seed in (0, 1)]
    request, card = request_for(tuple(parts), copying, backbone, budget), COMPOSITIONS.get(NAME)
    fused = fuse(NAME, request, card.settings())
    assert fused.head == "the backbone's own"
    answers = fused.model.kind.answers(fused.model, copying.splits["test"], backbone.tokenizer, 16)
    stored = keep_composition("routed", fused, NAME, request, card.settings(), store)
    model = open_adapter(stored, backbone)
    again = model.kind.answers(model, copying.splits["test"], backbone.tokenizer, 16)
    assert model.kind.digest(again) == model.kind.digest(answers)
