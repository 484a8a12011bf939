"""Compositions that learn from a target's examples: their formulas, and what may change."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import adapter_workbench.fusion.target.target
from adapter_workbench.fusion.composing.fuse import name_with_revisions
from adapter_workbench.fusion.methods import COMPOSITIONS, adamerging, fisher, mix, regmean, warm_start
from adapter_workbench.fusion.target.composition import Request
from adapter_workbench.fusion.target.mixing import Mixture, mixture
from adapter_workbench.fusion.target.target import begin, train
from adapter_workbench.fusion.updates.lora import PREFIX
from adapter_workbench.fusion.updates.lowrank import weighted_sum
from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.adapters.fit_record import Epoch
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, TrainingError, UnknownNameError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, Adaptation
from adapter_workbench.workbench.methods.methods.lora import Settings as LoraSettings
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training import Lesson, learn
from tests.elsewhere.architectures import write_base
from tests.fusion_sources import BUDGET, TASKS, hidden, logits, other_source, request_for, train_sources

LEARNED = ("adapterfusion", "lorahub", "mix", "mix-search", "evolve", "regmean", "fisher", "adamerging", "warm-start")
Batch = dict[str, torch.Tensor]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def mixed(request_: Request) -> Mixture:
    return mixture(request_, "layer")


@pytest.fixture(scope="module")
def halves(t5: Path, task: Task, tmp_path_factory: pytest.TempPathFactory) -> Request:
    """Two LoRAs of an encoder-decoder, on both of its halves."""
    backbone = open_backbone(str(t5))
    sources = train_sources(backbone, tmp_path_factory.mktemp("halves"), "lora", rank=2)
    return request_for(sources[:2], task, backbone)


@pytest.fixture(scope="module")
def average(request_: Request) -> torch.Tensor:
    """States under the exact average of the sources: ΔW built dense, in float64, and added to the weights."""
    return with_dense(request_, [1 / 3] * 3)


def with_dense(request: Request, weights: list[float]) -> torch.Tensor:
    return hidden(dense_body(request, weights))


def dense_body(request: Request, weights: list[float]) -> torch.nn.Module:
    body = request.backbone.load()
    with torch.no_grad():
        for weight, update in zip(weights, request.updates, strict=True):
            for name, pair in update.items():
                module: Any = body.get_submodule(name)
                module.weight += (weight * pair.b.double() @ pair.a.double()).float()
    return body


@pytest.mark.parametrize("name", LEARNED)
def test_without_a_target_nothing_is_learned(name: str, request_: Request) -> None:
    card = COMPOSITIONS.get(name)
    assert card.needs_target
    with pytest.raises(InputError, match="needs a target task"):
        card.compose(replace(request_, target=None), card.settings())


def test_sources_side_by_side_are_their_weighted_sum(mixed: Mixture, request_: Request) -> None:
    assert mixed.groups == ("layer 0", "layer 1")
    assert {name: mixed.groups[row] for name, row in mixed.rows.items()} == {
        f"encoder.layer.{n}.attention.self.{part}": f"layer {n}" for n in (0, 1) for part in ("query", "value")
    }
    assert all(owners.tolist() == [0] * 4 + [1] * 4 + [2] * 4 for owners in mixed.owners.values())
    for weights in ([1.0, 0.0, 0.0], [0.5, -1.5, 2.0]):
        mixed.weigh(torch.tensor([weights, weights]))
        torch.testing.assert_close(hidden(mixed.body), with_dense(request_, weights), **CLOSE)
    mixed.weigh(mixed.one_hot(1))
    alone = open_adapter(request_.sources[1], request_.backbone).body
    torch.testing.assert_close(hidden(mixed.body), hidden(alone), **CLOSE)


def test_truncation_and_its_facts_are_those_of_the_weighted_sum(mixed: Mixture, request_: Request) -> None:
    weights = torch.tensor([[0.2, 0.3, 0.5]] * 2)
    for rank in (3, None):
        merged, wanted = mixed.merged(weights, rank), weighted_sum(request_.updates, [0.2, 0.3, 0.5], rank)
        assert merged.facts["truncation_error"] == pytest.approx(wanted.facts["truncation_error"], abs=1e-6)
        for name, pair in wanted.update.items():
            torch.testing.assert_close(merged.update[name].b @ merged.update[name].a, pair.b @ pair.a, **CLOSE)
    assert mixed.merged(weights, None).facts == {"rank": 12.0, "energy_kept": 1.0, "truncation_error": 0.0}


@pytest.mark.parametrize("per", ["source", "layer", "module"])
def test_mix_with_equal_weights_is_the_exact_average(per: str, request_: Request, average: torch.Tensor) -> None:
    composed = mix.COMPOSITION.compose(request_, mix.Settings(per=per, learning_rate=1e-12))  # type: ignore[arg-type]
    assert composed.weights == pytest.approx([1 / 3] * 3)
    torch.testing.assert_close(hidden(composed.body), average, **CLOSE)


def test_mix_trains_the_weights_and_the_head_alone(request_: Request) -> None:
    composed = mix.COMPOSITION.compose(request_, mix.Settings(per="layer", learning_rate=0.05))
    assert composed.fit is not None
    assert composed.fit.trainable_parameters == 2 * 3 + 2 * 32 + 2  # layers × sources, and the head
    assert set(composed.details) == {"layer 0", "layer 1"}
    assert composed.facts["validation_log_likelihood_before"] < 0
    moved = np.array(list(composed.details.values()))
    assert composed.weights == pytest.approx(moved.mean(axis=0))
    mixed = mixture(request_, "layer")
    mixed.weigh(torch.tensor(moved, dtype=torch.float32))
    assert torch.equal(hidden(composed.body), hidden(mixed.body)), "the sources' factors are as they were"


def test_the_weights_gradient_is_that_of_finite_differences(request_: Request) -> None:
    mixed = mixture(request_, "layer")
    model = begin(mixed.body, request_).model
    weights = mixed.learnable(torch.tensor([[0.3, 0.4, 0.2], [0.5, 0.1, 0.6]]))
    assert [name for name, _ in mixed.body.named_parameters() if _.requires_grad] == [
        next(name for name, parameter in mixed.body.named_parameters() if parameter is weights)
    ]
    model.double()
    ids = torch.arange(36).reshape(4, 9) % 20 + 5
    model.autocast = lambda device: torch.autocast(device, enabled=False)  # type: ignore[method-assign]

    def loss() -> torch.Tensor:
        states = mixed.body(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return torch.nn.functional.cross_entropy(model.head(states.mean(dim=1)), torch.tensor([0, 1, 0, 1]))

    model.eval()
    (gradient,) = torch.autograd.grad(loss(), [weights])
    for position in ((0, 0), (1, 2)):
        with torch.no_grad():
            weights[position] += 1e-5
            above = loss()
            weights[position] -= 2e-5
            below = loss()
            weights[position] += 1e-5
        assert gradient[position].item() == pytest.approx(((above - below) / 2e-5).item(), rel=1e-4)


def test_mix_prefers_the_source_that_knows_the_task(request_: Request) -> None:
    """The target is the first source's own task; the third source learned what contradicts it."""
    asked = replace(request_, target=TASKS[0], budget=BUDGET.model_copy(update={"epochs": 6}))
    composed = mix.COMPOSITION.compose(asked, mix.Settings(per="source", learning_rate=0.02))
    assert composed.weights is not None
    assert composed.weights[0] > 1 / 3 > composed.weights[2]
    assert composed.fit is not None
    assert composed.fit.best_epoch > 0


def test_training_that_does_harm_is_not_kept(request_: Request) -> None:
    mixed = mixture(request_)
    mixed.weigh(mixed.uniform())
    begun = begin(mixed.body, request_)
    begun = replace(begun, epoch=Epoch(0, float("nan"), 2.0, 0.0))  # better than any epoch can be
    before = logits(begun.model)
    record = train(begun, request_, "lora", LoraSettings(learning_rate=0.05))
    assert record.best_epoch == 0
    assert record.validation == 2.0
    assert len(record.epochs) == 2, "the curve is told all the same"
    assert torch.equal(logits(begun.model), before)


def test_regmean_is_its_formula_in_dense_float64(mixed: Mixture, request_: Request) -> None:
    torch.manual_seed(0)
    inputs = [{name: torch.randn(50, 32).double() for name in mixed.update} for _ in range(3)]
    grams = [{name: x.T @ x for name, x in source_inputs.items()} for source_inputs in inputs]
    merged = regmean.regression_mean(mixed, grams)
    for name, pair in merged.items():
        # the paper's form: W is (in, out) there
        above = sum(
            source_grams[name] @ (update[name].b.double() @ update[name].a.double()).T
            for source_grams, update in zip(grams, request_.updates, strict=True)
        )
        wanted = torch.linalg.solve(sum(source_grams[name] for source_grams in grams), above).T
        assert pair.rank == 12
        torch.testing.assert_close(pair.b.double() @ pair.a.double(), wanted, rtol=1e-4, atol=1e-6)
        # and no other update is nearer to the sources' outputs
        generator = torch.Generator().manual_seed(0)

        def distance(delta: torch.Tensor, name: str = name) -> float:
            parts = zip(inputs, request_.updates, strict=True)
            return sum(
                (x[name] @ (delta - update[name].b.double() @ update[name].a.double()).T).square().sum().item()
                for x, update in parts
            )

        for _ in range(3):
            step = 0.01 * torch.randn(wanted.shape, generator=generator, dtype=torch.float64)
            assert distance(wanted) < distance(wanted + step)


def test_regmean_of_equal_inputs_is_the_average(mixed: Mixture, request_: Request) -> None:
    x = torch.randn(50, 32).double()
    merged = regmean.regression_mean(mixed, [dict.fromkeys(mixed.update, x.T @ x)] * 3)
    wanted = weighted_sum(request_.updates, [1 / 3] * 3).update
    for name, pair in merged.items():
        torch.testing.assert_close(pair.b @ pair.a, wanted[name].b @ wanted[name].a, **CLOSE)


def test_regmean_s_inputs_are_those_of_each_source_without_padding(request_: Request) -> None:
    """One text at a time, on the source as it is stored, with hooks of our own."""
    assert request_.target is not None
    rows = request_.target.splits["train"].select(range(7))
    texts = ["cat", "the cat a quite", "plum this", "some really often very fig", "dog", "one", "a pear"]
    rows = rows.remove_columns("text").add_column("text", texts)
    asked = replace(request_, target=replace(request_.target, splits={**request_.target.splits, "train": rows}))
    mixed = mixture(asked)
    grams = regmean.input_grams(mixed, 1, asked)
    batches = [dict(asked.backbone.tokenizer(text, return_tensors="pt")) for text in texts]
    wanted = grams_of(asked, 1, grams, batches)
    for name, gram in grams.items():
        torch.testing.assert_close(gram, wanted[name], rtol=1e-4, atol=1e-4)
    shrunk = regmean.shrunk(grams, 0.9)[name]
    torch.testing.assert_close(shrunk.diagonal(), grams[name].diagonal())
    assert shrunk[0, 1] == pytest.approx(0.9 * grams[name][0, 1].item())


def grams_of(request: Request, source: int, names: Iterable[str], batches: list[Batch]) -> Batch:
    body: Any = open_adapter(request.sources[source], request.backbone).body.eval()
    wanted = dict.fromkeys(names, torch.zeros(32, 32).double())

    def add(name: str) -> Any:
        def hook(module: Any, given: Any) -> None:
            wanted[name] = wanted[name] + given[0][0].double().T @ given[0][0].double()

        return hook

    for name in wanted:
        body.get_submodule(f"base_model.model.{name}").register_forward_pre_hook(add(name))
    with torch.no_grad():
        for batch in batches:
            body(**batch)
    return wanted


def test_regmean_reads_a_text_with_both_halves_of_an_encoder_decoder(halves: Request) -> None:
    assert halves.target is not None
    rows = halves.target.splits["train"].select(range(4))
    texts = ["cat", "the cat a quite", "plum this", "some really often very fig"]
    rows = rows.remove_columns("text").add_column("text", texts)
    asked = replace(halves, target=replace(halves.target, splits={**halves.target.splits, "train": rows}))
    grams = regmean.input_grams(mixture(asked), 1, asked)
    assert {name.partition(".")[0] for name in grams} == {"encoder", "decoder"}
    batches = []
    for text in texts:
        batch = dict(asked.backbone.tokenizer(text, return_tensors="pt"))
        ids = batch["input_ids"]
        batches.append({**batch, "decoder_input_ids": torch.cat([torch.zeros_like(ids[:, :1]), ids[:, :-1]], dim=1)})
    wanted = grams_of(asked, 1, grams, batches)
    for name, gram in grams.items():
        torch.testing.assert_close(gram, wanted[name], rtol=1e-4, atol=1e-4)
    composed = regmean.COMPOSITION.compose(asked, regmean.Settings())
    assert composed.facts["rank"] == 4


def test_regmean_does_not_read_the_answers_of_a_language_model(llama: Path, copying: Task, tmp_path: Path) -> None:
    backbone = open_backbone(str(llama))
    adaptation = Adaptation(backbone, "lora", LoraSettings(rank=2), "fp32")
    source = learn(Lesson(copying, adaptation, BUDGET, 0), AdapterStore(tmp_path), Silent(), "test")
    rows = copying.splits["train"]
    others = rows.remove_columns("answer").add_column("answer", ["fig plum"] * len(rows))
    asked = [
        request_for((source,), replace(copying, splits={**copying.splits, "train": train}), backbone)
        for train in (rows, others)
    ]
    first, second = (regmean.input_grams(mixture(examples), 0, examples) for examples in asked)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_layers_of_encoder_and_decoder_have_weights_of_their_own(halves: Request) -> None:
    mixed = mixture(halves, "layer")
    assert mixed.groups == ("decoder layer 0", "decoder layer 1", "encoder layer 0", "encoder layer 1")
    for name, row in mixed.rows.items():
        half, _, layer = name.split(".")[:3]
        assert mixed.groups[row] == f"{half} layer {layer}"
    assert mixture(halves, "layer", 2).groups == ("decoder layers 0-1", "encoder layers 0-1")
    assert mixture(halves).groups == ("all",)


def test_regmean_composes_what_its_formula_gives(request_: Request) -> None:
    composed = regmean.COMPOSITION.compose(request_, regmean.Settings())
    mixed = mixture(request_)
    grams = [regmean.shrunk(regmean.input_grams(mixed, source, request_), 0.9) for source in range(3)]
    body = request_.backbone.load()
    with torch.no_grad():
        for name, pair in regmean.regression_mean(mixed, grams).items():
            body.get_submodule(name).weight += pair.b @ pair.a  # type: ignore[operator]
    torch.testing.assert_close(hidden(composed.body), hidden(body), **CLOSE)


def test_fisher_information_is_that_of_single_texts(request_: Request) -> None:
    """By hand: ΔW added to the weights, one text at a time, autograd on the weights themselves."""
    assert request_.target is not None
    diagonals = fisher.fisher(mixture(request_), 2, request_, examples=6)
    source = request_.sources[2]
    body = dense_body(request_, [0.0, 0.0, 1.0]).requires_grad_(False).eval()
    head = open_adapter(source, request_.backbone).head
    assert (source.folder / HEAD_FILE).is_file()
    weights = {name: body.get_submodule(name).weight.requires_grad_() for name in diagonals}  # type: ignore[operator]
    texts = request_.target.splits["train"]["text"][:6]
    batches = [request_.backbone.tokenizer(text, return_tensors="pt") for text in texts]
    per_text = [head(body(**batch).last_hidden_state.mean(dim=1)) for batch in batches]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(torch.cat(per_text).softmax(-1), 1, generator=generator)
    sums = dict.fromkeys(diagonals, torch.zeros(32, 32))
    for text_logits, label in zip(per_text, drawn, strict=True):
        gradients = torch.autograd.grad(text_logits.log_softmax(-1)[0, label.item()], list(weights.values()))
        for name, gradient in zip(weights, gradients, strict=True):
            sums[name] = sums[name] + gradient.square()
    for name, information in diagonals.items():
        assert information.max() > 0
        torch.testing.assert_close(information, sums[name] / 6, rtol=1e-3, atol=1e-7)


def test_fisher_information_of_layers_that_share_a_module_is_of_all_its_calls(task: Task, tmp_path: Path) -> None:
    """ALBERT's layers have one matrix; its gradient by autograd, one text at a time, is that of all layers."""
    backbone = open_backbone(str(write_base(tmp_path / "albert", "albert")))
    sources = train_sources(backbone, tmp_path / "sources", "lora", 1, rank=2, targets=("query", "value"))
    request = request_for(sources, task, backbone)
    mixed = mixture(request)
    diagonals = fisher.fisher(mixed, 0, request, examples=4)
    model = open_adapter(sources[0], backbone)
    encoded = model.kind.encode(task.splits["train"].select(range(4)), backbone.tokenizer, 16)
    batches = [model.kind.collate(backbone.tokenizer)([row]) for row in encoded]
    per_text = torch.cat([model.head(model.kind.read(model, batch, batch.pop("labels"))[0]) for batch in batches])
    drawn = torch.multinomial(per_text.detach().softmax(-1), 1, generator=torch.Generator().manual_seed(0))
    for name, information in diagonals.items():
        weight: Any = model.body.get_submodule(f"{PREFIX}{name}").base_layer.weight.requires_grad_()
        losses = [
            model(**batch)["logits"].log_softmax(-1)[0, label] for batch, label in zip(batches, drawn, strict=True)
        ]
        squares = sum(torch.autograd.grad(loss, weight)[0].square() for loss in losses)
        torch.testing.assert_close(information, squares / 4, rtol=1e-3, atol=1e-7)
    shared = name_with_revisions("fisher", request, fisher.Settings())
    assert shared == "fisher fisher@4", "results of before, which counted the last layer alone, have another key"


@pytest.mark.parametrize("method", ["fisher", "lorahub", "mix-search", "evolve"])
def test_sources_that_give_no_numbers_are_said_to_be_too_large(method: str, request_: Request, tmp_path: Path) -> None:
    enlarged = tuple(enlarged_source(source, tmp_path / source.id, 1e36) for source in request_.sources)
    card = COMPOSITIONS.get(method)
    settings = card.settings() if method == "fisher" else card.settings(evaluations=6)
    asked = replace(request_, sources=enlarged)
    if method in ("lorahub", "mix-search"):  # they begin at no source at all, which is always possible
        composed = card.compose(asked, settings)
        assert composed.weights == (0.0, 0.0, 0.0)
        assert np.isfinite(composed.facts["cost"])
    else:
        with pytest.raises(TrainingError, match="too large"):
            card.compose(asked, settings)


def enlarged_source(source: StoredAdapter, folder: Path, factor: float) -> StoredAdapter:
    """Return a LoRA whose B is ``factor`` times that of ``source``."""
    shutil.copytree(source.folder, folder)
    tensors = load_file(folder / PEFT_WEIGHTS)
    save_file(
        {name: tensor * (factor if "lora_B" in name else 1) for name, tensor in tensors.items()}, folder / PEFT_WEIGHTS
    )
    return replace(source, folder=folder)


@pytest.mark.parametrize("kind", ["regression", "multilabel", "token-classification", "causal-lm"])
def test_fisher_refuses_sources_whose_answers_it_does_not_draw(kind: str, request_: Request) -> None:
    asked = replace(request_, sources=(*request_.sources[:2], other_source(request_.sources[2], kind=kind)))
    with pytest.raises(
        InputError, match=f"cannot use {asked.sources[2].id} .{kind}. adapters for a classification target"
    ):
        fisher.COMPOSITION.compose(asked, fisher.Settings())


def test_fisher_mean_is_its_formula(mixed: Mixture, request_: Request) -> None:
    torch.manual_seed(0)
    fishers = [{name: size * torch.rand(32, 32) for name in mixed.update} for size in (1e-3, 1.0, 1e2)]
    for name, merged in fisher.fisher_mean(mixed, fishers).items():
        deltas = [update[name].b @ update[name].a for update in request_.updates]
        # mmatena/model_merging, merging.py: coefficients 1 ÷ ‖Fᵢ‖ over all variables (normalize_fishers)
        norms = [torch.cat([part.flatten() for part in information.values()]).norm() for information in fishers]
        above = sum(
            information[name] * delta / size for information, delta, size in zip(fishers, deltas, norms, strict=True)
        )
        below = sum(information[name] / size for information, size in zip(fishers, norms, strict=True))
        torch.testing.assert_close(merged, above / below, rtol=1e-4, atol=1e-4)
    equal = fisher.fisher_mean(mixed, [fishers[0]] * 3)
    nothing = fisher.fisher_mean(mixed, [{name: torch.zeros(32, 32) for name in mixed.update}] * 3)
    for name, pair in weighted_sum(request_.updates, [1 / 3] * 3).update.items():
        torch.testing.assert_close(equal[name], pair.b @ pair.a, **CLOSE)
        torch.testing.assert_close(nothing[name], pair.b @ pair.a, **CLOSE)


def test_fisher_at_full_rank_is_the_fisher_mean(request_: Request) -> None:
    composed = fisher.COMPOSITION.compose(request_, fisher.Settings(rank=32, examples=8))
    assert composed.facts["truncation_error"] < 1e-3
    mixed = mixture(request_)
    fishers = [fisher.fisher(mixed, source, request_, 8) for source in range(3)]
    body = request_.backbone.load()
    with torch.no_grad():
        for name, delta in fisher.fisher_mean(mixed, fishers).items():
            body.get_submodule(name).weight += delta  # type: ignore[operator]
    torch.testing.assert_close(hidden(composed.body), hidden(body), rtol=1e-3, atol=1e-4)
    assert fisher.COMPOSITION.compose(request_, fisher.Settings(examples=8)).facts["rank"] == 4


def test_adamerging_without_steps_is_the_exact_average(request_: Request, average: torch.Tensor) -> None:
    composed = adamerging.COMPOSITION.compose(request_, adamerging.Settings(steps=0))
    torch.testing.assert_close(hidden(composed.body), average, **CLOSE)
    assert composed.facts["entropy_before"] == composed.facts["entropy_after"]


def test_adamerging_lowers_the_entropy_and_moves_the_weights_alone(request_: Request) -> None:
    settings = adamerging.Settings(steps=20, learning_rate=0.02)
    composed = adamerging.COMPOSITION.compose(replace(request_, target=TASKS[0]), settings)
    assert composed.facts["entropy_after"] < 0.9 * composed.facts["entropy_before"]
    mixed = mixture(request_, "layer")
    mixed.weigh(torch.tensor(list(composed.details.values())))
    assert torch.equal(hidden(composed.body), hidden(mixed.body))


def test_adamerging_tells_the_entropy_of_all_texts(request_: Request) -> None:
    asked = replace(request_, target=TASKS[0])
    mixed = mixture(asked)
    mixed.weigh(mixed.uniform())
    model = begin(mixed.body, asked).model
    answers = torch.tensor(model.kind.answers(model, TASKS[0].splits["train"], request_.backbone.tokenizer, 16))
    wanted = torch.distributions.Categorical(logits=answers).entropy().mean().item()
    settings = adamerging.Settings(steps=0)
    entropies = adamerging.minimise_entropy(model, mixed.learnable(mixed.uniform()), asked, settings)
    assert entropies == pytest.approx([wanted, wanted], rel=1e-4)


def test_warm_start_begins_as_the_composition(
    request_: Request, average: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = adapter_workbench.fusion.target.target.fit

    def spy(model: Any, *rest: Any) -> Any:
        seen.append((hidden(model.body), logits(model)))
        return real(model, *rest)

    monkeypatch.setattr(adapter_workbench.fusion.target.target, "fit", spy)
    composed = warm_start.COMPOSITION.compose(request_, warm_start.Settings(rank=12))
    torch.testing.assert_close(seen[0][0], average, **CLOSE)
    plain = COMPOSITIONS.get("average")
    wanted = begin(plain.compose(request_, plain.settings()).body, request_).model
    torch.testing.assert_close(seen[0][1], logits(wanted), rtol=1e-3, atol=1e-3)
    assert composed.fit is not None
    assert composed.fit.steps == BUDGET.updates(64), "as many as a fresh adapter gets"
    assert len(composed.fit.epochs) == BUDGET.epochs

    small = warm_start.COMPOSITION.compose(request_, warm_start.Settings(rank=2))
    cut = weighted_sum(request_.updates, [1 / 3] * 3, 2)
    body = request_.backbone.load()
    with torch.no_grad():
        for name, pair in cut.update.items():
            body.get_submodule(name).weight += pair.b @ pair.a  # type: ignore[operator]
    torch.testing.assert_close(seen[1][0], hidden(body), **CLOSE)
    assert small.facts["truncation_error"] == pytest.approx(cut.facts["truncation_error"], abs=1e-6)
    # layers × modules × (A and B of rank 2), and the head: a fresh adapter of that rank
    assert small.fit is not None
    assert small.fit.trainable_parameters == 2 * 2 * 2 * (32 + 32) + 2 * 32 + 2


def test_warm_start_can_train_for_a_part_of_the_epochs(request_: Request) -> None:
    asked = replace(request_, budget=BUDGET.model_copy(update={"epochs": 5}))
    for part, epochs in ((0.5, 2), (0.01, 1)):
        fit = warm_start.COMPOSITION.compose(asked, warm_start.Settings(part=part)).fit
        assert fit is not None
        assert len(fit.epochs) == epochs
        assert fit.steps == epochs * BUDGET.updates(64) // BUDGET.epochs


def test_warm_start_takes_the_start_that_validates_best(request_: Request) -> None:
    """Rank 12 keeps both starts whole; whichever comes first, the better one is taken."""
    quality = {}
    for name in ("sum", "average"):
        card = COMPOSITIONS.get(name)
        epoch = begin(card.compose(request_, card.settings()).body, request_).epoch
        quality[name] = epoch.validation, epoch.validation_log_likelihood
    assert quality["sum"] != quality["average"]
    better = max(quality, key=lambda name: quality[name])
    for names in (("sum", "average"), ("average", "sum")):
        composed = warm_start.COMPOSITION.compose(request_, warm_start.Settings(start=names, rank=12))
        assert names[int(composed.facts["start"])] == better
        before = [composed.facts[f"{name}_before"] for name in ("validation", "validation_log_likelihood")]
        assert before == pytest.approx(quality[better])


def test_of_many_starts_two_are_in_memory_at_a_time(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator each has a backbone of its own."""
    bodies: list[weakref.ref[torch.nn.Module]] = []
    most = 0

    def counted(body: torch.nn.Module, request: Request) -> Any:
        nonlocal most
        bodies.append(weakref.ref(body))
        most = max(most, sum(known() is not None for known in bodies))
        return begin(body, request)

    monkeypatch.setattr(warm_start, "begin", counted)
    start = ("fresh", "single", "average")
    composed = warm_start.COMPOSITION.compose(request_, warm_start.Settings(start=start, rank=4))
    assert (len(bodies), most) == (5, 2)
    validated = [
        warm_start.COMPOSITION.compose(
            replace(request_, sources=sources), warm_start.Settings(start=name, rank=4)
        ).facts
        for name, sources in [
            ("fresh", request_.sources),
            *(("single", (source,)) for source in request_.sources),
            ("average", request_.sources),
        ]
    ]
    quality = [(facts["validation_before"], facts["validation_log_likelihood_before"]) for facts in validated]
    assert composed.facts["start"] == quality.index(max(quality))


def test_warm_start_takes_the_source_that_validates_best(request_: Request) -> None:
    """Each source alone is a start; the order in which they stand does not matter."""
    single = COMPOSITIONS.get("single")
    quality = {}
    for source in request_.sources:
        alone = replace(request_, sources=(source,))
        epoch = begin(single.compose(alone, single.settings()).body, request_).epoch
        quality[source.id] = epoch.validation, epoch.validation_log_likelihood
    better = max(quality, key=lambda name: quality[name])
    for sources in (request_.sources, request_.sources[::-1]):
        composed = warm_start.COMPOSITION.compose(
            replace(request_, sources=sources), warm_start.Settings(start="single", rank=12)
        )
        assert sources[int(composed.facts["start"])].id == better
        assert composed.facts["validation_before"] == quality[better][0]


def test_warm_start_refuses_what_is_no_start(request_: Request) -> None:
    with pytest.raises(UnknownNameError, match="averag"):
        warm_start.COMPOSITION.compose(request_, warm_start.Settings(start="averag"))
    for name in ("adapterfusion", "warm-start", "arrow-tokens", "task-retrieval"):
        with pytest.raises(InputError, match=f"{name} gives no LoRA to start from"):
            warm_start.COMPOSITION.compose(request_, warm_start.Settings(start=name))
