"""compress-then-merge, held to its authors' program, written out on dense float64 matrices, and to closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from adapter_workbench.fusion.methods import compress_then_merge
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update, largest_rank
from tests.updates import cut, dense

SHAPES = {"layer.0.query": (14, 12), "layer.0.up": (20, 12), "layer.1.query": (14, 12)}
RANK = 3
EXACT = {"rtol": 1e-9, "atol": 1e-10}


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def draw() -> list[Update]:
    """Return three LoRAs of unlike norms that share directions."""
    generator = torch.Generator().manual_seed(0)
    common = {name: (normal(generator, m, RANK), normal(generator, RANK, n)) for name, (m, n) in SHAPES.items()}
    return [
        {
            name: LowRank(
                size * (b + 0.7 * normal(generator, *b.shape)),
                a + 0.7 * normal(generator, *a.shape),
            )
            for name, (b, a) in common.items()
        }
        for size in (0.3, 1.0, 4.0)
    ]


UPDATES = draw()
DELTAS = {name: [update[name].b @ update[name].a for update in UPDATES] for name in SHAPES}


def merge(updates: Sequence[Update] = UPDATES, weights: Sequence[float] | None = None, **given: Any) -> Merged:
    seed = given.pop("seed", 0)
    own = compress_then_merge.Settings(**given)
    return compress_then_merge.merge(updates, weights or [1.0] * len(updates), own, seed)


def ties(cores: Sequence[Tensor], density: float) -> Tensor:
    """Top-k, sign of the sum, disjoint mean: ties_merging of the program, with ``density`` · n entries kept."""
    rows = torch.stack([core.flatten() for core in cores])
    kept = max(1, round(density * rows.shape[1]))
    least = rows.abs().kthvalue(rows.shape[1] - kept + 1, dim=1, keepdim=True).values
    trimmed = torch.where(rows.abs() >= least, rows, 0.0)
    sign = torch.sign(trimmed.sum(dim=0))
    chosen = torch.where(sign > 0, trimmed > 0, trimmed < 0)
    return ((trimmed * chosen).sum(dim=0) / chosen.sum(dim=0).clamp(min=1)).reshape(cores[0].shape)


def program(deltas: Sequence[Tensor], beta: float, rule: Callable[[list[Tensor]], Tensor], rank: int = RANK) -> Tensor:
    """ZhengbaoHe/compress-then-merge, task_merger.py, get_low_rank_components: in the whole space, not in the core.

    The Tucker decomposition is that of tensorly's partial_tucker with the program's n_iter_max and tol.
    """
    tensor = torch.stack(list(deltas), dim=-1)  # (out, in, n)
    norms = tensor.square().sum((0, 1), keepdim=True).sqrt()
    proxy = tensor / norms * (norms * beta + norms.mean() * (1 - beta))
    size = float(proxy.norm())

    def leading(unfolded: Tensor) -> Tensor:
        vectors: Tensor = torch.linalg.svd(unfolded, full_matrices=False).U[:, :rank]
        return vectors

    v = leading(proxy.transpose(0, 1).flatten(1))
    errors: list[float] = []
    for step in range(1000):
        u = leading(torch.einsum("ijt,jb->ibt", proxy, v).flatten(1))
        v = leading(torch.einsum("ijt,ia->jat", proxy, u).flatten(1))
        core = torch.einsum("ijt,ia,jb->abt", proxy, u, v)
        errors.append(math.sqrt(abs(size**2 - float(core.norm()) ** 2)) / size)
        if step > 1 and abs(errors[-2] - errors[-1]) < 1e-6:
            break
    return u @ rule([u.T @ delta @ v for delta in deltas]) @ v.T


@pytest.mark.parametrize("beta", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("density", [0.25, 1.0])
def test_it_is_the_authors_program_without_ever_leaving_the_factors(beta: float, density: float) -> None:
    merged = merge(beta=beta, density=density, scale=0.75)
    assert largest_rank([merged.update]) <= RANK
    for name, delta in dense(merged.update).items():
        wanted = 0.75 * program(DELTAS[name], beta, lambda cores: ties(cores, density))
        torch.testing.assert_close(delta, wanted, **EXACT)


@pytest.mark.parametrize("rank", [2, 5])
def test_coordinates_can_be_added_at_any_rank(rank: int) -> None:
    merged = merge(inner="sum", rank=rank)
    assert merged.facts["rank"] == rank
    for name, delta in dense(merged.update).items():
        wanted = program(DELTAS[name], 0.25, lambda cores: torch.stack(cores).sum(dim=0), rank)
        torch.testing.assert_close(delta, wanted, **EXACT)


def test_sources_of_unlike_ranks_modules_and_weights_in_float32() -> None:
    generator = torch.Generator().manual_seed(0)

    def pair(rank: int) -> LowRank:
        return LowRank(normal(generator, 14, rank), normal(generator, rank, 12)).to(torch.float32)

    sources: list[Update] = [{"m": pair(4)}, {"m": pair(2), "n": pair(3)}, {"n": pair(3)}]
    merged = merge(sources, [1.0, -0.5, 2.0])
    assert {factors.b.dtype for factors in merged.update.values()} == {torch.float32}
    first, second, third = (dense(source) for source in sources)
    given = {"m": [first["m"], -0.5 * second["m"]], "n": [-0.5 * second["n"], 2 * third["n"]]}
    for name, deltas in given.items():
        wanted = program(deltas, 0.25, lambda cores: ties(cores, 0.25), rank=4)  # the largest of a source
        torch.testing.assert_close(dense(merged.update)[name], wanted, rtol=1e-4, atol=1e-4)


def test_of_one_source_the_leading_singular_directions_are_left() -> None:
    for name, delta in dense(merge(UPDATES[:1], density=1.0, rank=2).update).items():
        torch.testing.assert_close(delta, cut(DELTAS[name][0], 2), **EXACT)


def test_updates_within_r_common_directions_lose_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    b, a = normal(generator, 14, RANK), normal(generator, RANK, 12)
    sources: list[Update] = [{"m": LowRank(b @ normal(generator, RANK, RANK), a)} for _ in range(4)]
    merged = merge(sources, inner="sum")
    assert merged.facts["truncation_error"] == pytest.approx(0.0, abs=1e-6)
    whole = torch.stack([dense(source)["m"] for source in sources]).sum(dim=0)
    torch.testing.assert_close(dense(merged.update)["m"], whole, **EXACT)


@pytest.mark.parametrize(("beta", "strong", "kept"), [(0.0, False, 2 / 11), (1.0, True, 9 / 11)])
def test_beta_says_whether_one_strong_source_outweighs_two_weak_ones(beta: float, strong: bool, kept: float) -> None:
    """Norms 3, 1, 1, one direction left: squares 9 against 1 + 1 as they are, 1 against 1 + 1 where all count alike."""
    first, second = (LowRank(torch.eye(5)[:, [i]], torch.eye(4)[[i]]).to(torch.float64) for i in range(2))
    merged = merge([{"m": LowRank(3 * first.b, first.a)}, {"m": second}, {"m": second}], beta=beta, inner="sum", rank=1)
    wanted = 3 * first.b @ first.a if strong else 2 * second.b @ second.a
    torch.testing.assert_close(dense(merged.update)["m"], wanted, **EXACT)
    assert merged.facts["energy_kept"] == pytest.approx(kept), "of the sources' squares, 9 + 1 + 1"


def test_what_is_dropped_is_made_up_for_by_what_stays() -> None:
    """The coordinates of one source are its singular values: each is dropped, or divided by 1 − p (DARE)."""
    values = torch.linalg.svdvals(DELTAS["layer.0.up"][0])[:RANK]
    source: list[Update] = [{"m": UPDATES[0]["layer.0.up"]}]
    counts = set()
    for seed in range(8):
        coordinates = torch.linalg.svdvals(dense(merge(source, inner="sum", drop=0.4, seed=seed).update)["m"])
        kept = [float(value) for value in coordinates if value > 1e-6]
        counts.add(len(kept))
        assert all(min(abs(coordinate - float(value) / 0.6) for value in values) < 1e-8 for coordinate in kept)
        again = dense(merge(source, inner="sum", drop=0.4, seed=seed).update)["m"]
        assert torch.equal(torch.linalg.svdvals(again), coordinates)
    assert len(counts) > 1, "other coordinates with each seed"


def test_a_module_that_no_source_has_changed_stays_as_it_is() -> None:
    nothing: Update = {"m": LowRank(torch.zeros(6, 2), torch.ones(2, 5))}
    assert not dense(merge([nothing, nothing]).update)["m"].any()
    assert not dense(merge(UPDATES, [0.0, 0.0, 0.0]).update)["layer.0.up"].any()
