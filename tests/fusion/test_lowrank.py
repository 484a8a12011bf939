"""Algebra on low-rank factors, held to dense float64 algebra with torch's full singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adapter_workbench.fusion.updates.dense import randomised_svd
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Update,
    aligned,
    inner,
    largest_rank,
    norm,
    spectrum,
    stack,
    weighted_sum,
)
from adapter_workbench.workbench.errors import InputError
from tests.updates import Lora, cut, dense, loras, modules, parts, weighted_loras

EPSILON = 2e-6  # some float32 roundings; everything between the factors is float64


def pair_of(rows: int, columns: int, rank: int, seed: int = 0) -> LowRank:
    generator = torch.Generator().manual_seed(seed)
    return LowRank(torch.randn(rows, rank, generator=generator), torch.randn(rank, columns, generator=generator))


def size(sources: list[Lora], weights: list[float], module: str) -> float:
    return sum(abs(weight) * float(part.norm()) for part, weight in zip(parts(sources, module), weights, strict=True))


def expected(sources: list[Lora], weights: list[float], module: str) -> Tensor:
    return sum(weight * part for part, weight in zip(parts(sources, module), weights, strict=True))


@given(weighted_loras())
@settings(max_examples=60, deadline=None)
def test_sum_is_the_dense_sum(drawn: tuple[list[Lora], list[float]]) -> None:
    sources, weights = drawn
    merged = weighted_sum([source.read() for source in sources], weights)
    assert sorted(merged.update) == modules(sources)
    for module, delta in dense(merged.update).items():
        assert (delta - expected(sources, weights, module)).norm() <= EPSILON * size(sources, weights, module)
    assert merged.facts["truncation_error"] == 0
    assert merged.facts["energy_kept"] == 1


@given(weighted_loras(), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_truncation_is_the_best_of_its_rank(drawn: tuple[list[Lora], list[float]], rank: int) -> None:
    sources, weights = drawn
    merged = weighted_sum([source.read() for source in sources], weights, rank)
    whole = lost = 0.0
    for module, delta in dense(merged.update).items():
        wanted, scale = expected(sources, weights, module), size(sources, weights, module)
        best = (wanted - cut(wanted, rank)).norm()
        assert torch.linalg.matrix_rank(delta, rtol=1e-6) <= rank
        assert (wanted - delta).norm() <= best * (1 + 1e-9) + EPSILON * scale
        whole, lost = whole + float(wanted.square().sum()), lost + float(best) ** 2
    assert merged.facts["rank"] == largest_rank([merged.update]) <= rank
    assert merged.facts["truncation_error"] == pytest.approx((lost / whole) ** 0.5, rel=1e-4, abs=1e-5)
    assert merged.facts["energy_kept"] == pytest.approx(1 - lost / whole, abs=1e-6)


def test_the_same_update_with_both_factors_negated_adds_up() -> None:
    pair = pair_of(12, 8, 3)
    twin = LowRank(-pair.b, -pair.a)
    half = weighted_sum([{"m": pair}, {"m": twin}], [0.5, 0.5])
    torch.testing.assert_close(dense(half.update)["m"], dense({"m": pair})["m"], rtol=1e-6, atol=1e-6)
    assert half.facts["rank"] == 3  # six columns were stacked


def test_what_cancels_stays_adapted_at_rank_one() -> None:
    update = {"m": pair_of(12, 8, 3)}
    merged = weighted_sum([update, update], [1.0, -1.0])
    assert merged.update["m"].b.shape == (12, 1)
    assert dense(merged.update)["m"].norm() == 0
    assert merged.facts == {"rank": 1, "energy_kept": 1, "truncation_error": 0}


@pytest.mark.parametrize("gap", [1e-1, 1e-2, 1e-3, 1e-4])
def test_what_nearly_cancels_keeps_its_digits(gap: float) -> None:
    # the two factors differ by `gap`, so that the stacked columns are nearly dependent
    pair, noise = pair_of(40, 30, 4), pair_of(40, 30, 4, seed=1)
    other = LowRank(pair.b + gap * noise.b, pair.a)
    delta = dense(weighted_sum([{"m": pair}, {"m": other}], [1.0, -1.0], 2).update)["m"]
    wanted = cut(dense({"m": pair})["m"] - dense({"m": other})["m"], 2)
    assert (delta - wanted).norm() <= 1e-6 * wanted.norm()


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 20), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_spectrum_is_that_of_the_dense_matrix(rows: int, columns: int, rank: int, seed: int) -> None:
    pair = pair_of(rows, columns, rank, seed)
    svd = spectrum(pair)
    values = torch.linalg.svdvals(pair.b.double() @ pair.a.double())
    solid = values[values > 1e-5 * values.max()]
    torch.testing.assert_close(svd.values[: len(solid)], solid, rtol=1e-7, atol=0)
    assert not len(svd.values) or svd.values[len(solid) :].sum() <= 1e-4 * svd.values[0]
    kept = len(solid)
    identity = torch.eye(kept, dtype=torch.float64)
    torch.testing.assert_close((svd.u.T @ svd.u)[:kept, :kept], identity, rtol=0, atol=1e-6)
    torch.testing.assert_close((svd.vt @ svd.vt.T)[:kept, :kept], identity, rtol=0, atol=1e-6)


def test_factors_come_out_balanced_in_the_precision_of_the_sources() -> None:
    pair = pair_of(20, 10, 4)
    balanced = spectrum(LowRank(1000 * pair.b, pair.a / 1000)).pair()
    torch.testing.assert_close(balanced.b.norm(dim=0), balanced.a.norm(dim=1))
    assert balanced.b.dtype == torch.float32
    assert spectrum(pair.to(torch.float64)).pair().b.dtype == torch.float64


@given(loras(modules=("layer.0.up",)), loras(modules=("layer.0.up",)))
@settings(max_examples=30, deadline=None)
def test_inner_product_and_norm_are_those_of_frobenius(first: Lora, second: Lora) -> None:
    left, right = first.dense()["layer.0.up"], second.dense()["layer.0.up"]
    pairs = first.read()["layer.0.up"], second.read()["layer.0.up"]
    scale = float(left.norm() * right.norm())
    assert inner(*pairs) == pytest.approx(float((left * right).sum()), abs=EPSILON * scale)
    assert norm(pairs[0]) == pytest.approx(float(left.norm()), rel=EPSILON)


def test_a_module_that_an_update_lacks_counts_as_zero() -> None:
    whole: Update = {"m": pair_of(6, 5, 2), "n": pair_of(4, 4, 2, seed=1)}
    pairs = dict(aligned([whole, {"n": whole["n"]}]))
    assert [pair.rank for pair in pairs["m"]] == [2, 0]
    torch.testing.assert_close(stack(pairs["m"], [1.0, 5.0]).b, whole["m"].b)


def test_updates_of_different_models_are_refused() -> None:
    with pytest.raises(InputError, match=r"m is 6×5 and 7×5"):
        weighted_sum([{"m": pair_of(6, 5, 2)}, {"m": pair_of(7, 5, 2)}], [1.0, 1.0])


@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_randomised_svd_comes_within_a_thousandth_of_the_full_one(shape: tuple[int, int]) -> None:
    # half of the entries of a rank-16 matrix: a slowly falling spectrum, as masked updates have it
    generator = torch.Generator().manual_seed(0)
    matrix = dense({"m": pair_of(*shape, 16)})["m"].float() * (torch.rand(shape, generator=generator) < 0.5)
    best = float((matrix.double() - cut(matrix.double(), 8)).norm())
    truncated = randomised_svd(matrix, 8, torch.Generator().manual_seed(0))
    error = float((matrix.double() - dense({"m": truncated.pair})["m"]).norm())
    assert best * (1 - 1e-9) <= error <= best * 1.001
    assert truncated.lost == pytest.approx(error**2, rel=1e-3)
    assert truncated.pair.rank == 8


def test_randomised_svd_follows_its_generator() -> None:
    matrix = torch.randn(90, 80, generator=torch.Generator().manual_seed(3))
    first, again = (randomised_svd(matrix, 4, torch.Generator().manual_seed(7)).pair for _ in range(2))
    assert torch.equal(first.b, again.b)
    assert torch.equal(first.a, again.a)
