"""Merges held to what their authors' programs compute, written out here on small dense matrices in float64."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fusion.lowrank import LowRank, Update
from fusion.methods import COMPOSITIONS
from tests.updates import dense

SHAPES = {"layer.0.query": (14, 12), "layer.0.up": (20, 12), "layer.1.query": (14, 12)}
SIZES = {"layer.0.query": 1.0, "layer.0.up": 0.2, "layer.1.query": 3.0}  # modules change by different amounts
SOURCES, RANK = 3, 3
EXACT = {"rtol": 1e-9, "atol": 1e-10}
Deltas = dict[str, list[Tensor]]  # module → ΔW of each source


def draw(seed: int = 0) -> list[Update]:
    """Return LoRAs that share directions, as those of one backbone do: TIES then has something to elect."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    common = {
        name: LowRank(size * normal(rows, RANK), normal(RANK, columns))
        for (name, (rows, columns)), size in zip(SHAPES.items(), SIZES.values(), strict=True)
    }
    return [
        {
            name: LowRank(pair.b + 0.7 * SIZES[name] * normal(*pair.b.shape), pair.a + 0.7 * normal(*pair.a.shape))
            for name, pair in common.items()
        }
        for _ in range(SOURCES)
    ]


UPDATES = draw()
DELTAS: Deltas = {name: [update[name].b @ update[name].a for update in UPDATES] for name in SHAPES}


def merged(method: str, **given: Any) -> dict[str, Tensor]:
    own = COMPOSITIONS.get(method).settings(**given)
    module = importlib.import_module(f"fusion.methods.{method.replace('-', '_')}")
    return dense(module.merge(UPDATES, [1.0] * SOURCES, own, 0).update)


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, delta in wanted.items():
        torch.testing.assert_close(found[name], delta, **EXACT)


def differ(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The distance of two merges over all modules, relative to the second."""
    squares = [((one[name] - other[name]).square().sum(), other[name].square().sum()) for name in one]
    return math.sqrt(sum(float(above) for above, _ in squares) / sum(float(below) for _, below in squares))


def ties(vectors: Tensor, kept: int) -> Tensor:
    """TIES of the rows of ``vectors`` (n, d), ``kept`` entries of each: top-k, sign of the sum, disjoint mean.

    prateeky2806/ties-merging, src/utils/merge_utils.py, and so KnOTS and Core Space; their top-k keeps int(d · K) + 1.
    """
    least = vectors.abs().kthvalue(vectors.shape[1] - kept + 1, dim=1, keepdim=True).values
    trimmed = torch.where(vectors.abs() >= least, vectors, 0.0)
    sign = torch.sign(trimmed.sum(dim=0))
    chosen = torch.where(sign > 0, trimmed > 0, trimmed < 0)
    return (trimmed * chosen).sum(dim=0) / chosen.sum(dim=0).clamp(min=1)


def isotropic(matrix: Tensor) -> Tensor:
    """danielm1405/iso-merging, src/utils/iso.py; isotropize_matrix of apanariello4/core-space-merging."""
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return u @ torch.diag(s.mean() * torch.ones_like(s)) @ vt


def tsv(deltas: list[Tensor], kept: int) -> Tensor:
    """AntoAndGar/task_singular_vectors, src/utils/TSVM_utils.py, ``kept`` singular vectors of each source."""
    parts = [torch.linalg.svd(delta, full_matrices=False) for delta in deltas]
    pu, _, qu = torch.linalg.svd(torch.cat([u[:, :kept] for u, _, _ in parts], 1), full_matrices=False)
    pv, _, qv = torch.linalg.svd(torch.cat([vt[:kept] for _, _, vt in parts]), full_matrices=False)
    return pu @ qu @ torch.diag(torch.cat([s[:kept] for _, s, _ in parts])) @ pv @ qv


def joint(name: str) -> tuple[Tensor, Tensor, list[Tensor]]:
    """U, S and the Vᵢ of [ΔW₁ … ΔWₙ] = U S [V₁ … Vₙ], as KnOTS' apply_svd keeps them."""
    u, s, vt = torch.linalg.svd(torch.cat(DELTAS[name], dim=1), full_matrices=False)
    solid = s > 1e-5
    return u[:, solid], s[solid], list(vt[solid].split(SHAPES[name][1], dim=1))


def cores(name: str) -> tuple[Tensor, list[Tensor], Tensor]:
    """U, the aligned cores and Vᵀ of one module: get_core_matrices of apanariello4/core-space-merging."""
    factors = [update[name] for update in UPDATES]
    u = torch.linalg.svd(torch.cat([pair.b for pair in factors], dim=1), full_matrices=False)[0]
    vt = torch.linalg.svd(torch.cat([pair.a for pair in factors]), full_matrices=False)[2]
    return u, [u.T @ pair.b @ pair.a @ vt.T for pair in factors], vt


def in_core_space(merge: Any) -> dict[str, Tensor]:
    return {name: u @ merge(found) @ vt for name in SHAPES for u, found, vt in [cores(name)]}


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_knots_trims_s_v_over_all_modules(density: float) -> None:
    spaces = {name: joint(name) for name in SHAPES}
    flat = torch.stack(
        [torch.cat([(s[:, None] * vs[source]).flatten() for _, s, vs in spaces.values()]) for source in range(SOURCES)]
    )
    sizes = [vs[0].numel() for _, _, vs in spaces.values()]
    chosen = ties(flat, round(density * flat.shape[1])).split(sizes)
    wanted = {name: u @ part.view(len(s), -1) for (name, (u, s, _)), part in zip(spaces.items(), chosen, strict=True)}
    assert_same(merged("knots", density=density), wanted)
    assert_same(merged("knots", density=density, scale=0.6), {name: 0.6 * delta for name, delta in wanted.items()})


@pytest.mark.parametrize("density", [0.2, 0.5])
def test_core_space_s_own_knots_trims_v_in_each_module(density: float) -> None:
    wanted = {}
    for name in SHAPES:
        u, s, vs = joint(name)
        rows = torch.stack([v.flatten() for v in vs])
        wanted[name] = u @ torch.diag(s) @ ties(rows, round(density * rows.shape[1])).view(len(s), -1)
    found = merged("knots", density=density, rule="core-space")
    assert_same(found, wanted)
    assert differ(found, merged("knots", density=density)) > 0.1, "not the rule of KnOTS"


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_core_space_is_ties_of_the_cores_in_the_bases_of_the_stored_factors(density: float) -> None:
    def merge(found: list[Tensor]) -> Tensor:
        rows = torch.stack([core.flatten() for core in found])
        return ties(rows, round(density * rows.shape[1])).view_as(found[0])

    found = merged("core-space", density=density)
    assert_same(found, in_core_space(merge))
    if density > 0.2:  # a core trimmed further has no full rank here, and its null space is nobody's
        wanted = in_core_space(lambda found: isotropic(merge(found)))
        assert_same(merged("core-space", density=density, iso=True), wanted)
    if density < 1:
        assert differ(merged("core-space", density=density, split="balanced"), found) > 0.1


def test_core_space_has_its_authors_tsv_and_iso_variants() -> None:
    summed = in_core_space(sum)
    assert_same(merged("core-space", inner="sum"), summed)
    assert_same(merged("core-space", inner="sum"), {name: sum(found) for name, found in DELTAS.items()})  # type: ignore[misc]
    assert_same(merged("core-space", inner="mean"), {name: delta / SOURCES for name, delta in summed.items()})
    # int(k ÷ n) singular vectors of each core (k, k): as many as a source's rank
    plain = in_core_space(lambda found: tsv(found, len(found[0]) // SOURCES))
    assert_same(merged("core-space", inner="tsv"), plain)
    both = in_core_space(lambda found: isotropic(tsv(found, len(found[0]) // SOURCES)))
    assert_same(merged("core-space", inner="tsv", iso=True), both)
    assert_same(merged("core-space", inner="sum", iso=True), in_core_space(lambda found: isotropic(sum(found))))  # type: ignore[arg-type]


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_ties_trims_whole_updates(density: float) -> None:
    flat = torch.stack([torch.cat([DELTAS[name][source].flatten() for name in SHAPES]) for source in range(SOURCES)])
    chosen = ties(flat, round(density * flat.shape[1])).split([found[0].numel() for found in DELTAS.values()])
    wanted = {name: 0.4 * part.view(SHAPES[name]) for name, part in zip(SHAPES, chosen, strict=True)}
    assert_same(merged("ties", density=density, scale=0.4, rank=12), wanted)  # 12: nothing is cut


def test_tsv_and_iso_c_are_those_of_core_space() -> None:
    assert_same(merged("tsv"), in_core_space(lambda found: tsv(found, RANK)))
    assert_same(merged("iso-c"), in_core_space(lambda found: isotropic(sum(found))))  # type: ignore[arg-type]


def test_iso_c_is_as_much_larger_than_the_paper_s_as_its_docstring_says() -> None:
    found = merged("iso-c")
    for name, delta in found.items():
        paper = isotropic(sum(DELTAS[name]))  # type: ignore[arg-type]
        ratio = min(SHAPES[name]) / (SOURCES * RANK)
        assert delta.norm() / paper.norm() == pytest.approx(math.sqrt(ratio))
        assert torch.linalg.matrix_norm(delta, 2) / torch.linalg.matrix_norm(paper, 2) == pytest.approx(ratio)
        # `scale` = k ÷ min(out, in) is the paper's in the directions of the sources
        u, _, vt = torch.linalg.svd(delta)
        u, vt = u[:, : SOURCES * RANK], vt[: SOURCES * RANK]
        torch.testing.assert_close(delta / ratio, u @ u.T @ paper @ vt.T @ vt, **EXACT)


def test_the_programs_own_tsv_moves_with_the_null_space_and_ours_does_not() -> None:
    """min(out, in) ÷ n is 4 here, one more than a source has: the fourth is whatever the SVD returns."""
    name = "layer.0.query"
    programs = tsv(DELTAS[name], min(SHAPES[name]) // SOURCES)
    assert (programs - merged("tsv")[name]).norm() > 0.05 * programs.norm()


# ------------------------------------------------------------------------------------------------ SCE


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_sce_selects_weights_and_erases(share: float) -> None:
    wanted = {}
    for name, deltas in DELTAS.items():
        given = torch.stack(deltas)
        variance = ((given - given.mean(dim=0)) ** 2).mean(dim=0)
        order = variance.flatten().argsort(descending=True)[: int(share * variance.numel())]
        chosen = torch.zeros(variance.numel(), dtype=torch.float64)
        chosen[order] = 1
        kept = given * chosen.reshape(variance.shape)
        energy = torch.stack([(each**2).mean() for each in kept])
        total, weight = torch.zeros_like(variance), torch.zeros_like(variance)
        for each, own in zip(kept, energy / energy.sum(), strict=True):
            agrees = (each * kept.sum(dim=0)) > 0
            total += torch.where(agrees, own * each, 0.0)
            weight += torch.where(agrees, own, 0.0)
        wanted[name] = torch.where(weight > 0, total / weight.clamp(min=1e-12), 0.0)
    assert_same(merged("sce", select_topk=share, rank=12), wanted)
