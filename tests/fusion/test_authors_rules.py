"""Merges held to what their authors' programs compute, written out here on small dense matrices in float64."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.updates.lowrank import LowRank, Update
from adapter_workbench.workbench.errors import InputError
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


def merged(
    method: str, updates: Sequence[Update] = UPDATES, weights: Sequence[float] | None = None, **given: Any
) -> dict[str, Tensor]:
    own = COMPOSITIONS.get(method).settings(**given)
    module = importlib.import_module(f"adapter_workbench.fusion.methods.{method.replace('-', '_')}")
    return dense(module.merge(updates, weights or [1.0] * len(updates), own, 0).update)


def assert_same(actual: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert actual.keys() == wanted.keys()
    for name, delta in wanted.items():
        torch.testing.assert_close(actual[name], delta, **EXACT)


def differ(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """The distance of two merges over all modules, relative to the second."""
    squares = [((first[name] - second[name]).square().sum(), second[name].square().sum()) for name in first]
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
    return {name: u @ merge(matrices) @ vt for name in SHAPES for u, matrices, vt in [cores(name)]}


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
    actual = merged("knots", density=density, rule="core-space")
    assert_same(actual, wanted)
    assert differ(actual, merged("knots", density=density)) > 0.1, "not the rule of KnOTS"


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_core_space_is_ties_of_the_cores_in_the_bases_of_the_stored_factors(density: float) -> None:
    def merge(matrices: list[Tensor]) -> Tensor:
        rows = torch.stack([core.flatten() for core in matrices])
        return ties(rows, round(density * rows.shape[1])).view_as(matrices[0])

    actual = merged("core-space", density=density)
    assert_same(actual, in_core_space(merge))
    if density > 0.2:  # a core trimmed further has no full rank here, and its null space is nobody's
        wanted = in_core_space(lambda matrices: isotropic(merge(matrices)))
        assert_same(merged("core-space", density=density, iso=True), wanted)
    if density < 1:
        assert differ(merged("core-space", density=density, split="balanced"), actual) > 0.1


def test_core_space_has_its_authors_tsv_and_iso_variants() -> None:
    summed = in_core_space(sum)
    assert_same(merged("core-space", inner="sum"), summed)
    assert_same(merged("core-space", inner="sum"), {name: sum(deltas) for name, deltas in DELTAS.items()})  # type: ignore[misc]
    assert_same(merged("core-space", inner="mean"), {name: delta / SOURCES for name, delta in summed.items()})
    # int(k ÷ n) singular vectors of each core (k, k): as many as a source's rank
    plain = in_core_space(lambda matrices: tsv(matrices, len(matrices[0]) // SOURCES))
    assert_same(merged("core-space", inner="tsv"), plain)
    tsv_then_iso = in_core_space(lambda matrices: isotropic(tsv(matrices, len(matrices[0]) // SOURCES)))
    assert_same(merged("core-space", inner="tsv", iso=True), tsv_then_iso)
    assert_same(merged("core-space", inner="sum", iso=True), in_core_space(lambda matrices: isotropic(sum(matrices))))  # type: ignore[arg-type]


@pytest.mark.parametrize("density", [0.2, 0.5, 1.0])
def test_ties_trims_whole_updates(density: float) -> None:
    flat = torch.stack([torch.cat([DELTAS[name][source].flatten() for name in SHAPES]) for source in range(SOURCES)])
    chosen = ties(flat, round(density * flat.shape[1])).split([deltas[0].numel() for deltas in DELTAS.values()])
    wanted = {name: 0.4 * part.view(SHAPES[name]) for name, part in zip(SHAPES, chosen, strict=True)}
    assert_same(merged("ties", density=density, scale=0.4, rank=12), wanted)  # 12: nothing is cut


def test_tsv_and_iso_c_are_those_of_core_space() -> None:
    assert_same(merged("tsv"), in_core_space(lambda matrices: tsv(matrices, RANK)))
    assert_same(merged("iso-c"), in_core_space(lambda matrices: isotropic(sum(matrices))))  # type: ignore[arg-type]


def test_iso_c_is_as_much_larger_than_the_paper_s_as_its_docstring_says() -> None:
    actual = merged("iso-c")
    for name, delta in actual.items():
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
        energy = torch.stack([(delta**2).mean() for delta in kept])
        total, weight = torch.zeros_like(variance), torch.zeros_like(variance)
        for delta, own in zip(kept, energy / energy.sum(), strict=True):
            agrees = (delta * kept.sum(dim=0)) > 0
            total += torch.where(agrees, own * delta, 0.0)
            weight += torch.where(agrees, own, 0.0)
        wanted[name] = torch.where(weight > 0, total / weight.clamp(min=1e-12), 0.0)
    assert_same(merged("sce", select_topk=share, rank=12), wanted)


# ------------------------------------------------------------------------------------------------ since 2025


@pytest.mark.parametrize("along", ["whole", "outputs", "inputs"])
@pytest.mark.parametrize("weights", [[0.5, 0.5], [3.0, 1.0], [1.0, -1.0], [2.0, -0.5]])
def test_nuslerp_is_mergekit_s_between_updates(along: str, weights: list[float]) -> None:
    """arcee-ai/mergekit, merge_methods/nuslerp.py: flattened, of the last dimension, or of the first."""
    t = weights[1] / sum(weights) if sum(weights) else 0.5
    wanted = {}
    for name, (first, second, _) in DELTAS.items():
        dims = {"whole": (0, 1), "outputs": (1,), "inputs": (0,)}[along]
        lengths = [part.square().sum(dims, keepdim=True).sqrt() for part in (first, second)]
        angle = torch.acos((first / lengths[0] * second / lengths[1]).sum(dims, keepdim=True))
        wanted[name] = (torch.sin((1 - t) * angle) * first + torch.sin(t * angle) * second) / torch.sin(angle)
    assert_same(merged("nuslerp", UPDATES[:2], weights, along=along), wanted)


def test_nuslerp_of_a_whole_module_is_slerp() -> None:
    assert_same(merged("nuslerp", UPDATES[:2], [1.0, 2.0]), merged("slerp", UPDATES[:2], [1.0, 2.0]))
    assert differ(merged("nuslerp", UPDATES[:2], along="outputs"), merged("nuslerp", UPDATES[:2])) > 0.01


def test_nuslerp_leaves_parallel_rows_on_their_line_and_takes_zeros_for_orthogonal() -> None:
    first = LowRank(torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([[1.0, 2.0]]))
    second = LowRank(torch.tensor([[3.0], [-2.0], [1.0]]), torch.tensor([[1.0, 2.0]]))
    actual = merged("nuslerp", [{"m": first}, {"m": second}], [0.75, 0.25], along="outputs")["m"]
    factors = torch.tensor([0.75 + 0.25 * 3, 0.75 - 0.25 * 2, math.sin(0.25 * math.pi / 2)], dtype=torch.float64)
    torch.testing.assert_close(actual, factors[:, None] * torch.tensor([[1.0, 2.0]]), rtol=1e-6, atol=1e-6)


def test_nuslerp_takes_two() -> None:
    with pytest.raises(InputError, match="takes two sources, got 3"):
        merged("nuslerp")


def iso_cts(deltas: list[Tensor], fraction: float, directions: int) -> Tensor:
    """danielm1405/iso-merging, src/utils/iso.py, with ``directions`` where that has min(out, in)."""
    count = len(deltas)
    common = int(directions * fraction)
    common = directions - round((directions - common) / count) * count
    own = (directions - common) // count
    u, s, vt = torch.linalg.svd(sum(deltas), full_matrices=False)  # type: ignore[call-overload]
    parts = [(u[:, :common], s[:common], vt[:common])]
    for delta in deltas:
        decomposed = torch.linalg.svd(delta - u[:, :common] @ u[:, :common].T @ delta, full_matrices=False)
        parts.append((decomposed[0][:, :own], decomposed[1][:own], decomposed[2][:own]))
    left, values, right = torch.cat([p[0] for p in parts], 1), torch.cat([p[1] for p in parts]), [p[2] for p in parts]
    return float(values.mean()) * polar(left) @ polar(torch.cat(right))


def polar(matrix: Tensor) -> Tensor:
    p, _, qt = torch.linalg.svd(matrix, full_matrices=False)
    return p @ qt


@pytest.mark.parametrize("common", [0.8, 0.5, 0.0])
def test_iso_cts_is_its_authors_on_the_directions_of_the_sum(common: float) -> None:
    wanted = {name: iso_cts(deltas, common, SOURCES * RANK) for name, deltas in DELTAS.items()}
    actual = merged("iso-cts", common=common)
    assert_same(actual, wanted)
    assert_same(merged("iso-cts", common=common, scale=-0.3), {name: -0.3 * delta for name, delta in wanted.items()})
    assert differ(actual, merged("iso-c")) > 0.05


def test_iso_cts_shares_a_module_s_directions_among_the_sources_that_adapt_it() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(rank: int) -> LowRank:
        return LowRank(torch.randn(14, rank, generator=generator), torch.randn(rank, 12, generator=generator))

    sources = [{"m": normal(4)}, {"m": normal(2), "n": normal(3)}, {"n": normal(3)}]
    actual = merged("iso-cts", sources, [1.0, -0.5, 2.0], common=0.5)
    first, second, third = (dense(source) for source in sources)
    wanted = {"m": iso_cts([first["m"], -0.5 * second["m"]], 0.5, 6)}
    wanted["n"] = iso_cts([-0.5 * second["n"], 2 * third["n"]], 0.5, 6)
    for name, delta in wanted.items():
        torch.testing.assert_close(actual[name], delta, rtol=1e-4, atol=1e-4)


def test_iso_cts_without_directions_of_a_source_s_own_is_iso_c() -> None:
    assert_same(merged("iso-cts", common=1.0), merged("iso-c"))
    assert_same(merged("iso-cts", UPDATES[:1], common=1.0, rank=2), merged("iso-c", UPDATES[:1], rank=2))
    low = [{name: LowRank(pair.b[:, :2], pair.a[:2]) for name, pair in update.items()} for update in UPDATES[:2]]
    assert_same(merged("iso-cts", low), merged("iso-c", low))


def test_iso_cts_takes_rounding_for_no_direction() -> None:
    """The second source lies within the common span: it has nothing of its own, whatever rounding leaves."""
    generator = torch.Generator().manual_seed(0)
    b, a = (torch.linalg.qr(torch.randn(size, 4, generator=generator)).Q for size in (14, 12))
    strong, weak = LowRank(b * torch.tensor([100.0, 90.0, 1.0, 0.9]), a.T), LowRank(100 * b[:, :1], a[:, :1].T)
    actual = merged("iso-cts", [{"m": strong}, {"m": weak}], common=0.5)["m"]
    wanted = (200 + 90 + 1) / 3 * b[:, :3] @ a[:, :3].T  # two common directions and one of the first source's own
    torch.testing.assert_close(actual, wanted.double(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.01, 0.4, 0.8, 1.0])
def test_subspace_boosting_raises_the_weak_values_of_the_sum(beta: float) -> None:
    """The clamp of tanganke/fusion_bench, method/subspace_boosting, without directions that no source has."""
    wanted = {}
    for name, deltas in DELTAS.items():
        u, s, vt = torch.linalg.svd(sum(deltas), full_matrices=False)  # type: ignore[call-overload]
        u, s, vt = u[:, : SOURCES * RANK], s[: SOURCES * RANK], vt[: SOURCES * RANK]
        reached = (s.cumsum(0) / s.sum() >= beta).nonzero()
        wanted[name] = 0.5 * (u * s.clamp(min=s[int(reached[0]) if len(reached) else -1])) @ vt
    assert_same(merged("subspace-boosting", beta=beta, scale=0.5), wanted)


def test_subspace_boosting_goes_from_the_sum_to_iso_c() -> None:
    assert_same(merged("subspace-boosting", beta=1.0), merged("sum"))
    flat, iso = merged("subspace-boosting"), merged("iso-c")
    for name, delta in flat.items():
        height = torch.linalg.matrix_norm(sum(DELTAS[name]), 2)  # type: ignore[arg-type]
        torch.testing.assert_close(delta / height, iso[name] / torch.linalg.matrix_norm(iso[name], 2), **EXACT)


def wudi_loss(merge: Tensor, deltas: list[Tensor]) -> Tensor:
    """nathanielyvo/WUDI-Merging, vit/wudi_main.py: the loss of one module."""
    given = torch.stack(deltas)
    products = (merge - given) @ given.transpose(1, 2)
    return (products.square() / given.square().sum((1, 2), keepdim=True)).sum()


def test_wudi_leaves_every_source_as_it_is_on_its_own_rows() -> None:
    for name, delta in merged("wudi").items():
        assert wudi_loss(delta, DELTAS[name]) < 1e-16 * wudi_loss(torch.zeros_like(delta), DELTAS[name])
        grams = [source.T @ source / source.square().sum() for source in DELTAS[name]]
        pulls = [source @ gram for source, gram in zip(DELTAS[name], grams, strict=True)]
        inverse = torch.linalg.pinv(torch.stack(grams).sum(0), rtol=1e-10, hermitian=True)
        torch.testing.assert_close(delta, torch.stack(pulls).sum(0) @ inverse, rtol=1e-7, atol=1e-8)


def test_wudi_of_more_rows_than_inputs_is_the_least_of_its_loss() -> None:
    sources = [*draw(), *draw(1)]  # six of rank 3 on twelve inputs
    weights = [1.0, 0.5, -1.0, 2.0, 1.0, 0.0]  # a source that has no weight has no say
    actual = merged("wudi", sources, weights)
    for name, delta in actual.items():
        given = [w * source[name].b @ source[name].a for w, source in zip(weights[:5], sources, strict=False)]
        at = delta.clone().requires_grad_()
        loss = wudi_loss(at, given)
        loss.backward()
        start = sum(given)
        assert at.grad is not None
        assert isinstance(start, Tensor)
        assert at.grad.norm() < 1e-8 * loss
        assert loss < wudi_loss(start, given)


def test_wudi_can_take_its_authors_steps() -> None:
    weights = [1.0, 0.5, 0.0]
    actual = merged("wudi", UPDATES, weights, solver="adam", steps=40, learning_rate=0.01, rank=12)
    for name, deltas in DELTAS.items():
        given = [weight * delta for weight, delta in zip(weights[:2], deltas, strict=False)]
        at = torch.stack(given).sum(0).requires_grad_()
        adam = torch.optim.Adam([at], lr=0.01)
        for _ in range(40):
            adam.zero_grad()
            wudi_loss(at, given).backward()
            adam.step()
        torch.testing.assert_close(actual[name], at.detach(), rtol=1e-6, atol=1e-7)
    for delta in merged("wudi", solver="adam", steps=2, learning_rate=0.01).values():
        assert torch.linalg.matrix_rank(delta) == SOURCES * RANK


@pytest.mark.parametrize("eta", [0.01, 0.4, 0.75, 1.0])
def test_star_truncates_and_keeps_the_nuclear_norm(eta: float) -> None:
    """IBM/STAR, merger/STAR.py and the mean of runner/."""
    wanted = {}
    for name, deltas in DELTAS.items():
        parts = []
        for delta in deltas:
            u, s, vt = torch.linalg.svd(delta, full_matrices=False)
            rank = int(torch.searchsorted(s.cumsum(0), s.sum() * eta)) + 1
            parts.append((u[:, :rank] * (s[:rank] * s.sum() / s[:rank].sum())) @ vt[:rank])
        wanted[name] = sum(parts) / SOURCES
    assert_same(merged("star", UPDATES, [1 / SOURCES] * SOURCES, eta=eta), wanted)  # type: ignore[arg-type]


def test_star_of_one_source_has_its_nuclear_norm() -> None:
    for name, delta in merged("star", UPDATES[:1]).items():
        wanted = torch.linalg.matrix_norm(DELTAS[name][0], "nuc")
        torch.testing.assert_close(torch.linalg.matrix_norm(delta, "nuc"), wanted, **EXACT)
        assert torch.linalg.matrix_rank(delta) < RANK
