"""LoRAs that begin at training examples: EVA, CorDA, LoRA-GA begin where their formulas and peft's programs say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model, initialize_lora_eva_weights
from peft.tuners.lora.config import CordaConfig, EvaConfig
from peft.tuners.lora.corda import preprocess_corda
from torch import Tensor
from transformers import AutoModel

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.method import FitLength
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.methods import eva as eva_card
from adapter_workbench.workbench.methods.methods._counterweight import OWN, START, matrix
from adapter_workbench.workbench.methods.methods._examples import examples, gradients
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit

TARGETS = ["query", "value"]
BEGINNING = ["eva", "corda", "lora-ga"]
Given = tuple[Adaptation, TaskModel]


def fresh(backbone: Backbone, method: str, **settings: Any) -> Given:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(**settings), "fp32")
    return adaptation, adaptation.fresh("classification", 2, seed=0)


def begin(given: Given, task: Task, budget: Budget) -> None:
    adaptation, model = given
    assert adaptation.card.prepare is not None
    adaptation.card.prepare(adaptation.settings, model, task, adaptation.backbone.tokenizer, budget, 0)


def texts(backbone: Backbone, task: Task) -> dict[str, Tensor]:
    """Return all training texts as one batch; they are equally long."""
    batch = backbone.tokenizer(task.splits["train"]["text"][:], return_tensors="pt")
    assert batch["attention_mask"].all()
    return {name: batch[name] for name in ("input_ids", "attention_mask")}


def logits(model: TaskModel, backbone: Backbone, task: Task) -> Tensor:
    with torch.no_grad():
        scores: Tensor = model(**texts(backbone, task))["logits"]
    return scores


def update(layer: Any, name: str = OWN) -> Tensor:
    delta: Tensor = layer.scaling[name] * layer.lora_B[name].weight.detach() @ layer.lora_A[name].weight.detach()
    return delta


def unlike_signs(vectors: Tensor, wanted: Tensor) -> Tensor:
    """Return 1 − |cos| of rows."""
    return 1 - torch.nn.functional.cosine_similarity(vectors, wanted).abs()


@pytest.mark.parametrize("method", BEGINNING)
def test_the_model_begins_as_it_was(method: str, backbone: Backbone, task: Task, budget: Budget) -> None:
    given = fresh(backbone, method)
    before = logits(given[1], backbone, task)
    begin(given, task, budget)
    torch.testing.assert_close(logits(given[1], backbone, task), before, atol=1e-4, rtol=1e-4)
    assert not given[1].training
    assert not any(layer._forward_hooks for layer in lora_layers(given[1].body).values())
    assert all(parameter.grad is None for parameter in given[1].parameters())


@pytest.mark.parametrize("method", BEGINNING)
def test_what_was_trained_before_goes_on_as_it_is(method: str, backbone: Backbone, task: Task, budget: Budget) -> None:
    adaptation, model = fresh(backbone, method, learning_rate=1e-2, rank=4)
    fit(model, task, adaptation, budget.model_copy(update={"epochs": 1}), 0, Silent(), "test")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    begin((adaptation, model), task, budget)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert START not in model.body.peft_config


@pytest.mark.parametrize("method", ["corda", "lora-ga"])
def test_what_is_stored_is_one_lora_of_twice_the_rank(
    method: str, backbone: Backbone, task: Task, budget: Budget
) -> None:
    adaptation, model = fresh(backbone, method, rank=4)
    fit(model, task, adaptation, budget.model_copy(update={"epochs": 1}), 0, Silent(), "test")
    assert set(model.body.peft_config) == {OWN}
    assert {layer.r[OWN] for layer in lora_layers(model.body).values()} == {8}
    assert adaptation.backbone_is_intact(model)


@pytest.mark.parametrize("method", ["adalora", "pissa"])
def test_a_second_fit_in_a_process_begins_as_the_first_did(
    method: str, backbone: Backbone, task: Task, budget: Budget
) -> None:
    adaptation, _ = fresh(backbone, method)
    short = budget.model_copy(update={"epochs": 2})
    learned = []
    for _ in range(2):
        model = adaptation.fresh("classification", 2, seed=0)
        fit(model, task, adaptation, short, 0, Silent(), "test")
        learned.append({name: factor for name, factor in model.body.named_parameters() if ".lora_" in name})
    first, second = learned
    assert first.keys() == second.keys()
    assert all(torch.equal(factor, second[name]) for name, factor in first.items())


@pytest.mark.parametrize("method", ["pissa", "corda", "lora-ga"])
def test_dropout_is_of_what_is_trained_alone(method: str, backbone: Backbone, task: Task, budget: Budget) -> None:
    given = fresh(backbone, method, rank=4, dropout=0.5)
    if method != "pissa":
        begin(given, task, budget)
    given[0].card.hooks(given[0].settings, given[1].body, FitLength(total=1, epoch=1))
    for layer in lora_layers(given[1].body).values():
        assert isinstance(layer.lora_dropout[START], torch.nn.Identity)
        assert layer.lora_dropout[OWN].p == 0.5
    assert METHODS.identity(method, given[0].settings) == f"{method}@2"
    assert METHODS.identity(method, METHODS.get(method).settings()) == method, "without dropout keys stay as they were"


def test_pissa_names_rank_and_shape_where_a_matrix_has_not_so_many_triplets(backbone: Backbone) -> None:
    card, width = METHODS.get("pissa"), backbone.config.hidden_size
    assert card.objection(card.settings(rank=width), backbone.config, "classification") is None
    objection = card.objection(card.settings(rank=width + 1), backbone.config, "classification")
    assert objection == f"rank {width + 1} is more than a matrix of {width} × {width} has"


# ---------------------------------------------------------------------------------------------------------------- EVA


def principal(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the right singular vectors of centred vectors (tokens, in), and the shares of the variance."""
    _, values, right = torch.linalg.svd(vectors - vectors.mean(dim=0), full_matrices=False)
    return right, values**2 / (values**2).sum()


def test_a_is_made_of_principal_components(backbone: Backbone, task: Task, budget: Budget) -> None:
    given = fresh(backbone, "eva", rho=1, rank=4)
    begin(given, task, budget)
    with torch.no_grad():
        states = backbone.load().eval()(**texts(backbone, task), output_hidden_states=True).hidden_states
    for name, layer in lora_layers(given[1].body).items():
        read = states[int(name.split("layer.")[1].split(".")[0])].flatten(0, 1)
        wanted, _ = principal(read)
        assert float(unlike_signs(layer.lora_A[OWN].weight.detach(), wanted[:4]).max()) < 1e-3, name
        assert not layer.lora_B[OWN].weight.any()


def test_groups_add_up_to_all_vectors() -> None:
    """A mean far from zero is where sums of squares would cancel."""
    vectors = torch.randn(60, 5, generator=torch.Generator().manual_seed(0)) + 1000
    scatter = eva_card.Scatter()
    for group in vectors.split([7, 1, 30, 22]):
        scatter.add(group)
    wanted, shares = principal(vectors.double())
    components, explained = scatter.components(3)
    assert float(unlike_signs(components.double(), wanted[:3]).max()) < 1e-4
    torch.testing.assert_close(explained.double(), shares[:3], atol=1e-4, rtol=1e-3)


def test_ranks_go_where_most_is_explained() -> None:
    explained = {"a": torch.tensor([0.6, 0.3, 0.1]), "b": torch.tensor([0.9, 0.08, 0.02]), "c": torch.tensor([0.5])}
    assert eva_card.ranks(explained, 2) == {"a": 3, "b": 2, "c": 1}
    assert eva_card.ranks(explained, 1) == {"a": 1, "b": 1, "c": 1}
    same = torch.tensor([0.5, 0.25, 0.25])
    assert eva_card.ranks({"a": same, "b": same}, 2) == {"a": 3, "b": 1}, "the first of equals"


def test_eva_begins_as_peft_s_does(backbone: Backbone, bert: Path, task: Task, budget: Budget) -> None:
    given = fresh(backbone, "eva", rho=2)
    begin(given, task, budget)
    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=8,
        lora_alpha=16,
        target_modules=TARGETS,
        init_lora_weights="eva",
        eva_config=EvaConfig(rho=2.0),
    )
    theirs = get_peft_model(AutoModel.from_pretrained(bert), config)
    initialize_lora_eva_weights(theirs, [texts(backbone, task)], show_progress_bar=False)
    mine, others = lora_layers(given[1].body), lora_layers(theirs)
    assert sum(layer.r[OWN] for layer in mine.values()) == 8 * len(mine)
    for name, layer in others.items():
        a, b = (lora.lora_A[OWN].weight.detach() for lora in (mine[name], layer))
        assert abs(len(a) - len(b)) <= 1, "of equal shares another is taken"
        assert float(unlike_signs(a[:3], b[:3]).max()) < 1e-2, name
        assert mine[name].scaling[OWN] == layer.scaling[OWN] == 2


def test_other_ranks_come_back_and_open_with_peft(
    backbone: Backbone, bert: Path, task: Task, budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adaptation, model = fresh(backbone, "eva", rank=4, learning_rate=1e-2)
    monkeypatch.setattr(eva_card, "ranks", lambda explained, rank: dict(zip(explained, (7, 4, 3, 2), strict=True)))
    fit(model, task, adaptation, budget.model_copy(update={"epochs": 1}), 0, Silent(), "test")
    adaptation.library.save(model.body, tmp_path)
    stored = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    assert stored["init_lora_weights"] is True, "nothing is to be read again"
    assert sorted(stored["rank_pattern"].values()) == [2, 3, 7]
    again = adaptation.load(tmp_path, model.head, "classification")
    plain = PeftModel.from_pretrained(AutoModel.from_pretrained(bert), tmp_path)
    kept, loaded, opened = (lora_layers(body) for body in (model.body, again.body, plain))
    assert [layer.r[OWN] for layer in loaded.values()] == [7, 4, 3, 2]
    for name, layer in kept.items():
        assert torch.equal(update(layer), update(loaded[name]))
        assert torch.equal(update(layer), update(opened[name]))
        assert layer.scaling[OWN] == pytest.approx(4)
    assert torch.equal(logits(model, backbone, task), logits(again, backbone, task))


# -------------------------------------------------------------------------------------------------------------- CorDA


def test_corda_takes_what_peft_s_takes_off_the_weights(
    backbone: Backbone, bert: Path, task: Task, budget: Budget
) -> None:
    given = fresh(backbone, "corda", rank=4, alpha=8)
    begin(given, task, budget)
    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=4,
        lora_alpha=8,
        target_modules=TARGETS,
        init_lora_weights="corda",
        corda_config=CordaConfig(corda_method="ipm"),
    )
    body = AutoModel.from_pretrained(bert).eval()
    before = {name: weight.detach().clone() for name, weight in body.named_parameters()}

    def run() -> None:
        batch = texts(backbone, task)
        with torch.no_grad():
            for row in range(len(batch["input_ids"])):
                body(**{name: tensor[row : row + 1] for name, tensor in batch.items()})

    preprocess_corda(body, config, run_model=run)
    theirs = lora_layers(get_peft_model(body, config))
    for name, layer in lora_layers(given[1].body).items():
        taken = before[f"{name.removeprefix('base_model.model.')}.weight"] - theirs[name].get_base_layer().weight
        torch.testing.assert_close(update(layer), taken.detach(), atol=1e-3, rtol=1e-2)
        torch.testing.assert_close(update(layer, START), -update(layer))
        for mine, other in ((layer.lora_A, theirs[name].lora_A), (layer.lora_B, theirs[name].lora_B)):
            sizes = (factor[OWN].weight.detach().norm() for factor in (mine, other))
            torch.testing.assert_close(*sizes, atol=1e-3, rtol=1e-2)


# ------------------------------------------------------------------------------------------------------------ LoRA-GA


def test_gradients_are_those_of_the_matrices(backbone: Backbone, task: Task, budget: Budget) -> None:
    _, model = fresh(backbone, "lora-ga")
    batches = examples(16, model, task, backbone.tokenizer, budget.max_length, seed=0)
    assert len(batches) == 16
    computed = gradients(model, batches)
    weights = {name: layer.get_base_layer().weight for name, layer in lora_layers(model.body).items()}
    for weight in weights.values():
        weight.requires_grad_(True)
    try:
        for batch in batches:
            (model(**batch)["loss"] / len(batches)).backward()
        wanted = {name: weight.grad.clone() for name, weight in weights.items()}
    finally:
        for weight in weights.values():
            weight.requires_grad_(False).grad = None
    assert computed.keys() == wanted.keys()
    for name, gradient in wanted.items():
        torch.testing.assert_close(computed[name], gradient, atol=1e-6, rtol=1e-3)


def test_lora_ga_begins_at_directions_of_the_gradient(backbone: Backbone, task: Task, budget: Budget) -> None:
    """⁴√out ÷ √γ · V₁ᵀ and ⁴√out ÷ √γ · U₂, up to the signs of singular vectors."""
    given = fresh(backbone, "lora-ga", rank=2, stable_gamma=9)
    model = given[1]
    batches = examples(64, model, task, backbone.tokenizer, budget.max_length, seed=0)
    computed = gradients(model, batches)
    begin(given, task, budget)
    size = 32**0.25 / 3
    for name, layer in lora_layers(model.body).items():
        left, _, right = torch.linalg.svd(computed[name])
        a, b = layer.lora_A[OWN].weight.detach(), layer.lora_B[OWN].weight.detach()
        assert float(unlike_signs(a, right[:2]).max()) < 1e-3, name
        assert float(unlike_signs(b.T, left[:, 2:4].T).max()) < 1e-3, name
        torch.testing.assert_close(a.norm(dim=1), torch.full((2,), size))
        torch.testing.assert_close(b.norm(dim=0), torch.full((2,), size))


@pytest.mark.parametrize(("method", "rank"), [("corda", 33), ("lora-ga", 17)])
def test_a_rank_that_no_matrix_has_is_refused(method: str, rank: int, backbone: Backbone) -> None:
    card = METHODS.get(method)
    why = card.objection(card.settings(rank=rank), backbone.config, "classification")
    assert why is not None
    assert f"rank {rank} is more than a matrix of 32 × 32 has" in why
    assert card.objection(card.settings(rank=rank - 1), backbone.config, "classification") is None


def test_a_packed_matrix_is_the_one_that_it_multiplies_with(bert: Path) -> None:
    from bitsandbytes.functional import dequantize_4bit

    _, model = fresh(open_backbone(f"{bert}:nf4"), "lora")
    for layer in lora_layers(model.body).values():
        weight = layer.get_base_layer().weight
        torch.testing.assert_close(matrix(layer), dequantize_4bit(weight.data, weight.quant_state).float())
