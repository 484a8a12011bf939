"""Routers over tiny adapters: what they know of one, and that they choose the right one where it can be known."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset, concatenate_datasets
from scipy.special import softmax
from torch import Tensor

from adapter_workbench.fusion.routing.class_moments import covariance
from adapter_workbench.fusion.routing.route import (
    RoutingState,
    fit_part,
    load_part,
    part_key,
    reader_for,
    require_routable,
    route,
    save_part,
)
from adapter_workbench.fusion.routing.routed_texts import adapters_for_texts
from adapter_workbench.fusion.routing.routers import ROUTERS, ProbabilitySettings, arrow, gates
from adapter_workbench.fusion.routing.temperature import temperature
from adapter_workbench.fusion.target.reader import by_module
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.adapters.store import AdapterStore
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.backbone.feature_store import FEATURES
from adapter_workbench.workbench.backbone.fingerprints import fingerprint
from adapter_workbench.workbench.backbone.network import Network
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError, UnknownNameError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import open_adapter
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson, learn
from tests.conftest import FILLERS, FRUITS, SUBJECTS, make_task
from tests.fusion_sources import train_sources

BUDGET = Budget(epochs=4, batch_size=8, max_length=16, precision="fp32")
# of 72 texts by chance a third; the features of a random backbone lie in a narrow cone, which cosines do not undo
LEAST = {"prototype": 0.6, "mahalanobis": 0.9, "oracle": 1.0}


def make_apart(name: str, first: list[str], second: list[str]) -> Task:
    """Return a task with words of its own alone, so that the right adapter can be told from any text."""

    def alone(rows: Dataset) -> Dataset:
        generator = random.Random(name)
        texts = [" ".join(generator.choices([first, second][label], k=5)) for label in rows["label"]]
        return rows.remove_columns("text").add_column("text", texts)

    made = make_task(name, first, second)
    return replace(made, splits={split: alone(rows) for split, rows in made.splits.items()})


TASKS = (
    make_apart("animals", SUBJECTS[:4], SUBJECTS[4:]),
    make_apart("fruits", FRUITS[:4], FRUITS[4:]),
    make_apart("fillers", FILLERS[:5], FILLERS[5:]),
)


def train(task: Task, backbone: Backbone, store: AdapterStore, method: str = "lora") -> StoredAdapter:
    adaptation = Adaptation(backbone, method, METHODS.get(method).settings(learning_rate=2e-2), "fp32")
    return learn(Lesson(task, adaptation, BUDGET, 0), store, Silent(), task.name)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AdapterStore:
    return AdapterStore(tmp_path_factory.mktemp("routing"))


@pytest.fixture(scope="module")
def adapters(backbone: Backbone, store: AdapterStore) -> tuple[StoredAdapter, ...]:
    return tuple(train(task, backbone, store) for task in TASKS)


@pytest.fixture(scope="module")
def bottleneck(backbone: Backbone, store: AdapterStore) -> StoredAdapter:
    return train(TASKS[1], backbone, store, "pfeiffer")


FEW = {"gates": {"steps": 10}, "ranpac": {"width": 200}}  # with their defaults they would take most of the time


def state_of(name: str, adapters: tuple[StoredAdapter, ...], backbone: Backbone, **settings: object) -> RoutingState:
    chosen = ROUTERS.get(name).settings(**{**FEW.get(name, {}), **settings})
    reader = reader_for(adapters, backbone)
    parts = tuple(fit_part(name, chosen, adapter, task, reader) for adapter, task in zip(adapters, TASKS, strict=False))
    return RoutingState(name, chosen, adapters, parts, reader)


def accuracy(state: RoutingState) -> float:
    """Return how many of all test texts go to their own task's adapter."""
    right = []
    for index, task in enumerate(TASKS[: len(state.adapters)]):
        rows = task.splits["test"]
        scores = route(state, rows, truth=np.full(len(rows), index))
        right += list(scores.argmax(axis=1) == index)
    return float(np.mean(right))


def test_routers_that_learn_from_the_same_rows_encode_them_once(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    complete = Network.complete

    def counted(network: Network, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        encoded.append(len(inputs["input_ids"]))
        return complete(network, inputs)

    monkeypatch.setattr(Network, "complete", counted)
    FEATURES.clear()
    parts = {name: state_of(name, adapters, backbone).parts for name in ("prototype", "mahalanobis", "ranpac")}
    assert sum(encoded) == sum(len(task.splits["train"]) for task in TASKS)
    state = state_of("prototype", adapters, backbone)
    for _ in range(2):
        encoded.clear()
        route(state, TASKS[0].splits["test"])
        assert sum(encoded) == len(TASKS[0].splits["test"]), "what a router is asked is not kept"
    FEATURES.clear()
    again = state_of("prototype", adapters, backbone).parts
    assert all(
        torch.equal(tensor, other[name])
        for part, other in zip(parts["prototype"], again, strict=True)
        for name, tensor in part.items()
    )


@pytest.mark.parametrize("name", ROUTERS.names())
def test_every_router_scores_each_text_for_each_adapter(
    name: str, adapters: tuple[StoredAdapter, ...], backbone: Backbone, tmp_path: Path
) -> None:
    card = ROUTERS.get(name)
    assert card.title
    assert card.paper
    assert ROUTERS.describe(name)
    assert card.settings(), "every setting has a default"
    assert "peft" in card.libraries

    state, rows = state_of(name, adapters, backbone), TASKS[0].splits["test"]
    truth = np.zeros(len(rows), dtype=np.int64)
    scores = route(state, rows, truth)
    assert scores.shape == (len(rows), len(adapters))
    assert np.isfinite(scores).all()

    for adapter, part in zip(state.adapters, state.parts, strict=True):
        save_part(tmp_path / adapter.id, part, name, state.settings, adapter)
    parts = tuple(load_part(tmp_path / adapter.id) for adapter in state.adapters)
    again = RoutingState(name, state.settings, adapters, parts, state.reader)  # type: ignore[arg-type]
    np.testing.assert_array_equal(route(again, rows, truth), scores, "what was stored is what was known")

    alone = rows.select([3])
    np.testing.assert_allclose(route(state, alone, truth[:1])[0], scores[3], atol=1e-4, err_msg="padding counts")
    assert accuracy(state) >= LEAST.get(name, 0.0)


@pytest.mark.parametrize("name", ROUTERS.names())
def test_a_router_that_reads_data_says_so(name: str, adapters: tuple[StoredAdapter, ...], backbone: Backbone) -> None:
    card, reader = ROUTERS.get(name), reader_for(adapters, backbone)
    if card.reads_data:
        with pytest.raises(InputError, match=adapters[0].id):
            card.fit(adapters[0], None, reader, card.settings())
    else:
        card.fit(adapters[0], None, reader, card.settings())


@pytest.mark.parametrize("name", ROUTERS.names())
def test_an_adapter_that_comes_later_changes_nothing_that_is_known(
    name: str, adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    two, three = state_of(name, adapters[:2], backbone), state_of(name, adapters, backbone)
    for before, after in zip(two.parts, three.parts, strict=False):
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)


def test_one_prototype_a_task_tells_separable_tasks_apart(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    state = state_of("prototype", adapters, backbone, level="task")
    assert all(part["prototypes"].shape == (1, 32) for part in state.parts)
    assert accuracy(state) >= LEAST["prototype"]


def test_prototype_is_the_cosine_to_the_nearest_class_mean(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    state, rows = state_of("prototype", adapters, backbone), TASKS[2].splits["test"]
    train = TASKS[1].splits["train"]
    features, labels = state.reader.features(train), np.array(train["label"][:])
    means = [features[labels == label].mean(axis=0) for label in (0, 1)]
    expected = cosine_similarity(state.reader.features(rows), means).max(axis=1)
    np.testing.assert_allclose(route(state, rows)[:, 1], expected, atol=1e-5)


def test_mahalanobis_pools_the_covariance_as_scikit_learn_shrinks_it(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    from scipy.spatial.distance import mahalanobis as distance
    from sklearn.covariance import ledoit_wolf

    state, centred, means = state_of("mahalanobis", adapters, backbone), [], []
    for task in TASKS:
        rows = task.splits["train"]
        features, labels = state.reader.features(rows).astype(float), np.array(rows["label"][:])
        means.append([features[labels == label].mean(axis=0) for label in (0, 1)])
        centred += [row - means[-1][label] for row, label in zip(features, labels, strict=True)]
    expected, _ = ledoit_wolf(np.array(centred), assume_centered=True)
    np.testing.assert_allclose(covariance(state.parts), expected, rtol=1e-6, atol=1e-9)

    rows, inverse = TASKS[0].splits["test"].select(range(5)), np.linalg.inv(expected)
    texts = state.reader.features(rows).astype(float)
    squared = [[-min(distance(text, mean, inverse) ** 2 for mean in pair) for pair in means] for text in texts]
    np.testing.assert_allclose(route(state, rows), squared, rtol=1e-4)


def test_mahalanobis_refuses_examples_without_any_spread() -> None:
    part = {"means": torch.ones(1, 4), "scatter": torch.zeros(4, 4), "sums": torch.tensor([1.0, 0.0])}
    with pytest.raises(InputError, match="covariance"):
        covariance([part])


def test_arrow_is_the_top_right_singular_vector_of_the_dense_update(adapters: tuple[StoredAdapter, ...]) -> None:
    update = lora.read(adapters[0].folder)
    for pair in update.values():
        expected = np.linalg.svd((pair.b @ pair.a).double().numpy())[2][0]
        direction = arrow.direction(pair).numpy()
        assert abs(direction @ expected) == pytest.approx(1.0, abs=1e-6)
        assert np.linalg.norm(direction) == pytest.approx(1.0, abs=1e-6)


def test_arrow_has_no_direction_where_there_is_no_update() -> None:
    assert torch.equal(arrow.direction(LowRank(torch.zeros(5, 2), torch.randn(2, 4))), torch.zeros(4))


def test_arrow_weighs_tokens_as_peft_does(adapters: tuple[StoredAdapter, ...]) -> None:
    """Peft finds the directions by 15 steps of power iteration, hence the tolerance; the mixture is its own code."""
    from peft import ArrowConfig
    from peft.tuners.lora.arrow import ArrowLoraLinearLayer

    torch.manual_seed(0)
    updates = [lora.read(adapter.folder) for adapter in adapters]
    module = sorted(updates[0])[0]
    names = [f"task_{index}" for index in range(len(updates))]
    config = ArrowConfig(top_k=len(names), router_temperature=1.0, rng_seed=0)
    config.task_adapter_names = names
    layer = ArrowLoraLinearLayer(32, config)
    down, up = torch.nn.ModuleDict(), torch.nn.ModuleDict()
    for name, update in zip(names, updates, strict=True):
        down[name], up[name] = torch.nn.Linear(32, 8, bias=False), torch.nn.Linear(8, 32, bias=False)
        down[name].weight.data, up[name].weight.data = update[module].a, update[module].b
    layer.build_prototypes(down, up)

    states = torch.randn(2, 5, 32)
    with torch.no_grad():
        theirs = layer(states, down, up, torch.nn.Identity(), dict.fromkeys(names, 1.0))
    vectors = torch.stack([arrow.direction(update[module]) for update in updates])
    shares = arrow.shares(states, vectors)
    ours = sum(
        shares[..., index, None] * (states @ update[module].a.T @ update[module].b.T)
        for index, update in enumerate(updates)
    )
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.detach().abs().max()))


def test_gates_are_trained_and_nothing_else(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def watched(adapter: StoredAdapter, on: Backbone) -> object:
        opened.append(open_adapter(adapter, on))
        return opened[-1]

    monkeypatch.setattr(gates, "open_adapter", watched)
    state = state_of("gates", adapters[:1], backbone, steps=20)
    fresh = open_adapter(adapters[0], backbone)
    assert fingerprint(opened[0].named_parameters()) == fingerprint(fresh.named_parameters())
    assert state.parts[0].keys() == lora.read(adapters[0].folder).keys()
    assert all(gate.abs().sum() > 0 for gate in state.parts[0].values())
    again = state_of("gates", adapters[:1], backbone, steps=20)
    assert all(torch.equal(again.parts[0][module], gate) for module, gate in state.parts[0].items())


def test_an_open_gate_is_the_adapter_and_a_shut_one_the_backbone(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    """σ → 1 gives W u + ΔW u, σ → 0 gives W u: the two ends of the formula that is trained."""
    ids = torch.arange(5, 17).reshape(2, 6)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        adapted = open_adapter(adapters[0], backbone).body(**inputs).last_hidden_state
        bare = backbone.load()(**inputs).last_hidden_state
        for expected, answer in ((adapted, 1.0), (bare, 0.0)):
            model = open_adapter(adapters[0], backbone)
            for name in lora.read(adapters[0].folder):
                layer = model.body.get_submodule(f"{lora.PREFIX}{name}")
                gate = gates._install(layer)
                layer.register_forward_pre_hook(
                    lambda module, inputs, gate=gate, answer=answer: _saturate(gate, inputs[0], answer), prepend=True
                )
            torch.testing.assert_close(model.body(**inputs).last_hidden_state, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(adapted, bare, atol=1e-2)


def _saturate(gate: torch.Tensor, states: torch.Tensor, answer: float) -> None:
    """Set the gate so that σ(gᵀu) is ``answer`` for all tokens: the least-norm g with gᵀu = ±50."""
    flat = states.reshape(-1, states.shape[-1])
    wanted = torch.full((len(flat),), 50.0 if answer else -50.0)
    gate.data = torch.linalg.lstsq(flat, wanted, driver="gelsd").solution


def test_gates_route_by_the_correlation_of_states_and_gates() -> None:
    generator = np.random.default_rng(0)
    states, vectors = generator.normal(size=(4, 6)), generator.normal(size=(3, 6))
    expected = np.corrcoef(states, vectors)[:4, 4:]
    correlations = gates.correlation(torch.from_numpy(states), torch.from_numpy(vectors))
    np.testing.assert_allclose(correlations, expected, atol=1e-12)


def test_matches_are_a_mean_over_tokens_and_modules(adapters: tuple[StoredAdapter, ...], backbone: Backbone) -> None:
    """By hand for one text: the inputs of both layers' query projections are the embeddings and the first layer."""
    reader, rows = reader_for(adapters, backbone), TASKS[0].splits["test"].select([0])
    names = [f"encoder.layer.{layer}.attention.self.query" for layer in (0, 1)]
    vectors = {name: torch.randn(3, 32, generator=torch.Generator().manual_seed(1)) for name in names}
    encoded = backbone.tokenizer(rows["text"][:], return_tensors="pt")
    with torch.no_grad():
        states = backbone.load()(**encoded, output_hidden_states=True).hidden_states
    expected = torch.stack([(states[layer][0] @ vectors[name].T).mean(0) for layer, name in enumerate(names)]).mean(0)
    matches = reader.matches(rows, vectors, lambda states, vectors: states @ vectors.T)
    np.testing.assert_allclose(matches[0], expected, atol=1e-5)


def test_adapters_of_different_modules_are_not_compared() -> None:
    with pytest.raises(InputError, match="some of them change b, c"):
        by_module([{"a": torch.ones(2), "b": torch.ones(2)}, {"a": torch.ones(2), "c": torch.ones(2)}])


@pytest.mark.parametrize("name", ("arrow", "gates"))
def test_loras_that_no_token_s_state_comes_to_are_not_compared(name: str, backbone: Backbone, tmp_path: Path) -> None:
    (adapter,) = train_sources(backbone, tmp_path, "lora", 1, rank=2, targets=("pooler.dense",))
    settings, reader = ROUTERS.get(name).settings(), reader_for([adapter], backbone)
    with pytest.raises(InputError, match="no module that reads the states of tokens"):
        _ = RoutingState(
            name, settings, (adapter,), (fit_part(name, settings, adapter, TASKS[0], reader),), reader
        ).prepared


@pytest.mark.parametrize("name", ("arrow", "gates"))
def test_routers_of_loras_refuse_other_libraries_by_name(
    name: str, adapters: tuple[StoredAdapter, ...], bottleneck: StoredAdapter, backbone: Backbone
) -> None:
    with pytest.raises(InputError, match=rf"{bottleneck.id} .*adapters \(pfeiffer\)"):
        require_routable(name, [adapters[0], bottleneck], backbone)
    require_routable("prototype", [adapters[0], bottleneck], backbone)


def test_what_cannot_be_routed_is_refused(
    adapters: tuple[StoredAdapter, ...], bottleneck: StoredAdapter, backbone: Backbone, llama: Path
) -> None:
    from adapter_workbench.workbench.backbone.names import open_backbone

    with pytest.raises(InputError, match="no adapters"):
        require_routable("prototype", [], backbone)
    with pytest.raises(InputError, match=f"{adapters[1].id}, {bottleneck.id} are all for fruits"):
        require_routable("prototype", [adapters[1], bottleneck], backbone)
    with pytest.raises(InputError, match=r"was trained on .* not on"):
        require_routable("prototype", adapters, open_backbone(str(llama)))
    with pytest.raises(UnknownNameError, match="Did you mean prototype"):
        require_routable("prototyp", adapters, backbone)


@pytest.mark.parametrize("asked", [1, 2, 3])
def test_of_the_most_probable_adapters_the_surest_pair_of_task_and_label_answers(
    asked: int, adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    """By hand, from each adapter's logits; the penalty makes all adapters almost equally probable."""
    state = state_of("learned", adapters, backbone, penalty=1e5, asked=asked)
    rows = concatenate_datasets([task.splits["test"].select_columns(["id", "text"]) for task in TASKS])
    scores = route(state, rows)
    logits = [
        predict(open_adapter(adapter, backbone), rows, backbone.tokenizer, BUDGET.max_length) for adapter in adapters
    ]
    sure = np.stack([softmax(own, axis=1).max(axis=1) for own in logits], axis=1)
    left_out = np.argsort(np.argsort(-scores, axis=1), axis=1) >= asked
    expected = np.where(left_out, 0, np.exp(scores) * sure).argmax(axis=1)
    choice = adapters_for_texts(state, rows)
    np.testing.assert_array_equal(choice.adapters, expected)
    np.testing.assert_array_equal(choice.scores, scores[np.arange(len(rows)), expected])
    assert (asked == 1) == np.array_equal(expected, scores.argmax(axis=1)), "a less probable adapter can be surer"


def test_calibrated_adapters_are_compared_at_the_temperatures_of_their_validation_rows(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    """By hand, from each adapter's logits on its own validation rows and on all test rows."""
    state = state_of("learned", adapters, backbone, penalty=1e5, asked=3, calibrated=True)
    rows = concatenate_datasets([task.splits["test"].select_columns(["id", "text"]) for task in TASKS])
    tempered = []
    for adapter, task, part in zip(adapters, TASKS, state.parts, strict=True):
        model, held = open_adapter(adapter, backbone), task.splits["validation"]
        divisor = temperature(predict(model, held, backbone.tokenizer, BUDGET.max_length), np.asarray(held["label"][:]))
        assert part["temperature"].tolist() == [pytest.approx(divisor)]
        own = predict(model, rows, backbone.tokenizer, BUDGET.max_length).astype(np.float64)
        tempered.append(softmax(own / divisor, axis=1).max(axis=1))
    scores = route(state, rows)
    expected = (np.exp(scores) * np.stack(tempered, axis=1)).argmax(axis=1)
    choice = adapters_for_texts(state, rows)
    np.testing.assert_array_equal(choice.adapters, expected)
    np.testing.assert_array_equal(choice.scores, scores[np.arange(len(rows)), expected])


def test_more_adapters_are_asked_only_where_a_router_gives_probabilities(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    for name in ROUTERS.names():
        settings = ROUTERS.get(name).settings
        assert ("asked" in settings.model_fields) == issubclass(settings, ProbabilitySettings)
        if "asked" in settings.model_fields:
            scores = route(state_of(name, adapters, backbone), TASKS[0].splits["test"])
            np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, atol=1e-6)


def test_oracle_is_for_evaluations(adapters: tuple[StoredAdapter, ...], backbone: Backbone) -> None:
    with pytest.raises(InputError, match="true task"):
        route(state_of("oracle", adapters, backbone), TASKS[0].splits["test"])


def test_what_is_known_of_an_adapter_hangs_on_router_settings_and_reader(
    adapters: tuple[StoredAdapter, ...], backbone: Backbone
) -> None:
    reader, card = reader_for(adapters, backbone), ROUTERS.get("prototype")
    keys = {
        part_key("prototype", card.settings(), adapters[0], reader),
        part_key("prototype", card.settings(level="task"), adapters[0], reader),
        part_key("mahalanobis", ROUTERS.get("mahalanobis").settings(), adapters[0], reader),
        part_key("prototype", card.settings(), adapters[1], reader),
        part_key("prototype", card.settings(), adapters[0], replace(reader, max_length=8)),
    }
    assert len(keys) == 5
    assert part_key("prototype", card.settings(), adapters[0], reader_for(adapters[:1], backbone)) in keys
