"""evolve: what a weight for each layer and source does, how the search begins, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import adapter_workbench.fusion.methods.evolve as evolve
from adapter_workbench.fusion.target.composition import Composed, Request
from adapter_workbench.fusion.target.searching import target_loss
from adapter_workbench.fusion.target.target import model_on
from adapter_workbench.fusion.updates import lora
from tests.fusion_sources import hidden

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
POINT = [0.5, -1.25, 0.75, 1.0, 0.25, -0.5]  # two layers of three sources


def compose(request: Request, **given: Any) -> Composed:
    return evolve.COMPOSITION.compose(request, evolve.Settings(**given))


def deltas(request: Request, rows: list[list[float]]) -> dict[str, torch.Tensor]:
    """Return module → Σ wᵢ ΔWᵢ in float64, with the row of weights of its layer."""
    sums = {}
    for name in request.updates[0]:
        weights = rows[int(name.split(".layer.")[1].split(".")[0])]
        pairs = [update[name] for update in request.updates]
        parts = [weight * pair.b.double() @ pair.a.double() for weight, pair in zip(weights, pairs, strict=True)]
        sums[name] = torch.stack(parts).sum(dim=0)
    return sums


def with_added(request: Request, rows: list[list[float]]) -> torch.Tensor:
    """Return the states of the backbone with dense updates on its weights."""
    body = request.backbone.load()
    with torch.no_grad():
        for name, delta in deltas(request, rows).items():
            module: Any = body.get_submodule(name)
            module.weight += delta.float()
    return hidden(body)


@pytest.mark.parametrize("negative", [False, True])
def test_each_layer_gives_each_source_a_weight_of_its_own(
    negative: bool, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evolve, "minimise", lambda cost, *rest: [(np.array(POINT), cost(np.array(POINT)))])
    composed = compose(request_, negative=negative)
    rows = [[value if negative else abs(value) for value in row] for row in (POINT[:3], POINT[3:])]
    assert composed.details == {"layer 0": pytest.approx(rows[0]), "layer 1": pytest.approx(rows[1])}
    assert composed.weights == pytest.approx([(first + second) / 2 for first, second in zip(*rows, strict=True)])
    torch.testing.assert_close(hidden(composed.body), with_added(request_, rows), **CLOSE)
    assert compose(request_, rank=2).facts["rank"] == 2


def test_the_search_begins_as_mergekit_s_does(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def minimise(cost: Any, start: Any, *rest: Any) -> list[tuple[Any, float]]:
        asked.extend([start, *rest])
        return [(start, cost(start))]

    monkeypatch.setattr(evolve, "minimise", minimise)
    composed = compose(replace(request_, seed=7))
    start, *rest = asked
    assert start == pytest.approx([1 / 3] * 6)
    assert rest == [1 / 6, 100, 7], "spread, evaluations, seed; no bounds"
    torch.testing.assert_close(hidden(composed.body), with_added(request_, [[1 / 3] * 3] * 2), **CLOSE)


def test_consecutive_layers_can_share_their_weights(request_: Request) -> None:
    composed = compose(request_, layers=2, evaluations=8)
    assert list(composed.details) == ["layers 0-1"]
    assert composed.weights == composed.details["layers 0-1"]
    rows = [list(composed.details["layers 0-1"])] * 2
    torch.testing.assert_close(hidden(composed.body), with_added(request_, rows), **CLOSE)


def test_it_finds_the_weights_of_least_loss(request_: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is the distance to a mixture whose weights are known: a quadratic with one minimum."""
    rows = [[0.2, 0.9, 1.3], [0.6, 0.1, 0.4]]
    wanted = deltas(request_, rows)
    size = sum(float(delta.square().sum()) for delta in wanted.values())

    def distance(model: Any, request: Request) -> float:
        pairs = {name: lora.pair_in(layer) for name, layer in lora.layers(model.body).items()}
        apart = [pair.b.double() @ pair.a.double() - wanted[name] for name, pair in pairs.items()]
        return sum(float(difference.square().sum()) for difference in apart) / size

    monkeypatch.setattr(evolve, "target_loss", distance)
    composed = compose(request_, evaluations=1200)
    assert composed.facts["cost"] < 1e-5 < 1e-2 < composed.facts["cost_of_average"]
    weights = [list(row) for row in composed.details.values()]
    assert weights == [pytest.approx(row, abs=0.05) for row in rows]


def test_the_cheapest_of_all_is_taken_and_the_average_is_one_of_them(request_: Request) -> None:
    composed = compose(request_, evaluations=15)
    assert composed.facts["evaluations"] == 15
    assert composed.facts["cost"] <= composed.facts["cost_of_average"]
    assert target_loss(model_on(request_, composed.body), request_) == pytest.approx(composed.facts["cost"])
    again = compose(request_, evaluations=15)
    assert (again.details, again.facts) == (composed.details, composed.facts)
    assert compose(replace(request_, seed=1), evaluations=15).details != composed.details
    alone = compose(request_, evaluations=1)
    assert alone.facts["cost"] == alone.facts["cost_of_average"]
    assert alone.weights == pytest.approx([1 / 3] * 3)
