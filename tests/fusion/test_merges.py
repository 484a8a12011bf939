"""Every arithmetic method, held to a dense float64 reference with torch's full singular value decomposition."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Arithmetic, uniform, weights_for
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update, largest_rank
from adapter_workbench.fusion.updates.pruning import elect, floor, floor_across
from adapter_workbench.workbench.errors import InputError
from tests.messages import naming
from tests.updates import SHAPES, Lora, cut, dense, loras, modules, parts, weighted_loras

Drawn = tuple[list[Lora], list[float]]
EXAMPLES = settings(max_examples=25, deadline=None)


def merge(method: str, drawn: Drawn, seed: int = 0, **given_settings: Any) -> Merged:
    own = COMPOSITIONS.get(method).settings(**given_settings)
    module = importlib.import_module(f"adapter_workbench.fusion.methods.{method.replace('-', '_')}")
    merged: Merged = module.merge([source.read() for source in drawn[0]], drawn[1], own, seed)
    return merged


def weighted(drawn: Drawn, module: str) -> list[Tensor]:
    return [weight * part for part, weight in zip(parts(drawn[0], module), drawn[1], strict=True)]


def scale_of(drawn: Drawn, module: str) -> float:
    return sum(float(part.norm()) for part in weighted(drawn, module))


def assert_is(merged: Merged, drawn: Drawn, reference: Callable[[str], Tensor], epsilon: float = 2e-6) -> None:
    deltas = dense(merged.update)
    assert sorted(deltas) == modules(drawn[0])
    for module, delta in deltas.items():
        assert (delta - reference(module)).norm() <= epsilon * scale_of(drawn, module), module


# ------------------------------------------------------------------------------------------------ linear methods


@given(weighted_loras(), st.sampled_from([1.0, 0.25, -2.0]))
@EXAMPLES
def test_sum_and_negate_are_opposite_multiples_of_the_dense_sum(drawn: Drawn, scale: float) -> None:
    wider = (drawn[0], [scale * weight for weight in drawn[1]])
    assert_is(merge("sum", drawn, scale=scale), wider, lambda module: sum(weighted(wider, module)))
    assert_is(merge("negate", drawn, scale=scale), wider, lambda module: -sum(weighted(wider, module)))


@given(weighted_loras(), st.sampled_from([1.0, 0.25]), st.data())
@EXAMPLES
def test_negate_can_subtract_from_the_sum_of_the_first_sources(drawn: Drawn, scale: float, data: st.DataObject) -> None:
    sources, weights = drawn
    kept = data.draw(st.integers(0, len(sources) - 1))
    signed = (sources, [*weights[:kept], *(-scale * weight for weight in weights[kept:])])
    merged = merge("negate", drawn, scale=scale, kept=kept)
    assert_is(merged, signed, lambda module: sum(weighted(signed, module)))


@given(weighted_loras())
@EXAMPLES
def test_negate_has_to_subtract_something(drawn: Drawn) -> None:
    with pytest.raises(InputError, match="no source to subtract"):
        merge("negate", drawn, kept=len(drawn[0]))


@given(weighted_loras())
@EXAMPLES
def test_cat_and_average_are_the_dense_sum(drawn: Drawn) -> None:
    stacked = merge("cat", drawn)
    assert_is(stacked, drawn, lambda module: sum(weighted(drawn, module)))
    for module, pair in stacked.update.items():
        assert pair.rank == sum(source.read()[module].rank for source in drawn[0] if module in source.read())
    assert_is(merge("average", drawn), drawn, lambda module: sum(weighted(drawn, module)))


@given(weighted_loras())
@EXAMPLES
def test_svd_has_the_largest_rank_of_a_source_and_the_error_of_the_best(drawn: Drawn) -> None:
    merged = merge("svd", drawn)
    rank = largest_rank([source.read() for source in drawn[0]])
    assert largest_rank([merged.update]) <= rank
    for module, delta in dense(merged.update).items():
        whole = sum(weighted(drawn, module))
        best = (whole - cut(whole, rank)).norm()
        assert (whole - delta).norm() <= best * (1 + 1e-9) + 2e-6 * scale_of(drawn, module)


@given(loras())
@EXAMPLES
def test_half_of_an_update_and_half_of_its_twin_is_the_update(source: Lora) -> None:
    twin = Lora(source.config, {name: -tensor for name, tensor in source.tensors.items()})
    drawn = ([source, twin], [0.5, 0.5])
    for method in ("sum", "cat", "svd", "average", "slerp"):
        assert_is(merge(method, drawn), drawn, lambda module: source.dense()[module])


@given(weighted_loras(fewest=2, most=2), st.floats(0, 1))
@EXAMPLES
def test_slerp_is_the_dense_arc(drawn: Drawn, t: float) -> None:
    sources, drawn = drawn[0], (drawn[0], [1 - t, t])

    def arc(module: str) -> Tensor:
        first, second = parts(sources, module)
        if not first.norm() or not second.norm():
            return (1 - t) * first + t * second
        angle = math.acos(float((first * second).sum() / (first.norm() * second.norm())))
        return (math.sin((1 - t) * angle) * first + math.sin(t * angle) * second) / math.sin(angle)

    deltas = dense(merge("slerp", drawn).update)
    for module, delta in deltas.items():
        assert (delta - arc(module)).norm() <= 1e-5 * sum(part.norm() for part in parts(sources, module))


@given(weighted_loras(fewest=2, most=2), st.floats(0, 1), st.sampled_from([("outputs", 1), ("inputs", 0)]))
@EXAMPLES
def test_nuslerp_takes_an_arc_for_each_row_or_column(drawn: Drawn, t: float, way: tuple[str, int]) -> None:
    sources, drawn = drawn[0], (drawn[0], [1 - t, t])

    def arcs(module: str) -> Tensor:
        first, second = parts(sources, module)
        sizes = first.norm(dim=way[1], keepdim=True) * second.norm(dim=way[1], keepdim=True)
        cosines = torch.where(sizes > 0, (first * second).sum(way[1], keepdim=True) / sizes, 0.0)
        angles = cosines.clamp(-1 + 1e-12, 1 - 1e-12).acos()
        arc = (((1 - t) * angles).sin() * first + (t * angles).sin() * second) / angles.sin()
        assume((cosines.abs() < 1 - 1e-3).logical_or(cosines > 0).all())  # near −1 no arc is determined
        return arc

    deltas = dense(merge("nuslerp", drawn, along=way[0]).update)
    for module, delta in deltas.items():
        assert (delta - arcs(module)).norm() <= 1e-5 * sum(part.norm() for part in parts(sources, module))


def test_slerp_keeps_the_norm_where_the_mean_shrinks() -> None:
    # two orthogonal updates of norm 1: half-way the mean has norm √½, the arc 1
    drawn = [{"m": LowRank(torch.eye(4)[:, [i]], torch.eye(4)[[i]])} for i in range(2)]
    own = COMPOSITIONS.get("slerp").settings()
    module = importlib.import_module("adapter_workbench.fusion.methods.slerp")
    assert dense(module.merge(drawn, uniform(2), own, 0).update)["m"].norm() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("cosine", "share"),
    [(1.0, 1.0), (0.5, 3 * 0.5 / 2), (0.0, 0.0), (-0.4, 0.0)],  # n cos θ ÷ (1 + (n − 1) cos θ) with n = 3
)
def test_model_stock_draws_the_mean_back_by_the_angle(cosine: float, share: float) -> None:
    gram = torch.full((3, 3), cosine).fill_diagonal_(1.0)  # three vectors of norm 1 with equal angles
    values, vectors = torch.linalg.eigh(gram)
    columns = vectors * values.clamp(min=0).sqrt()  # (3, 3), a row each
    drawn = [{"m": LowRank(row[:, None], torch.eye(4)[[0]])} for row in columns]
    module = importlib.import_module("adapter_workbench.fusion.methods.model_stock")
    pair = module.merge(drawn, uniform(3), COMPOSITIONS.get("model-stock").settings(), 0).update["m"]
    mean = sum(update["m"].b @ update["m"].a for update in drawn) / 3
    torch.testing.assert_close(pair.b @ pair.a, share * mean, atol=1e-5, rtol=1e-5)


@given(weighted_loras())
@EXAMPLES
def test_linear_merging_in_a_shared_basis_is_the_plain_mean(drawn: Drawn) -> None:
    for method in ("knots", "core-space"):
        merged = merge(method, drawn, inner="mean")
        assert_is(merged, drawn, lambda module: sum(weighted(drawn, module)) / len(drawn[0]), 5e-6)


# ------------------------------------------------------------------------------------------------ spectra


@given(weighted_loras(), st.sampled_from([None, 2]))
@EXAMPLES
def test_iso_c_flattens_the_non_zero_spectrum(drawn: Drawn, rank: int | None) -> None:
    merged = merge("iso-c", drawn, rank=rank)
    for module, delta in dense(merged.update).items():
        u, values, vt = torch.linalg.svd(sum(weighted(drawn, module)), full_matrices=False)
        nonzero = int((values > 1e-5 * values[0]).sum())
        assume(nonzero == len(values) or values[nonzero] < 1e-8 * values[0])  # what lies between is a matter of taste
        count = min(nonzero, rank or len(values))
        assume(values[count - 1] > 1e-3 * values[0])  # below that, float32 factors do not fix the vectors
        assume(rank is None or count == len(values) or values[count - 1] - values[count] > 1e-2 * values[0])
        wanted = values[:count].mean() * u[:, :count] @ vt[:count]
        assert (delta - wanted).norm() <= 1e-4 * wanted.norm()


@given(weighted_loras(), st.booleans())
@EXAMPLES
def test_tsv_is_procrustes_on_the_sources_singular_vectors(drawn: Drawn, short: bool) -> None:
    count = len(drawn[0])
    merged = merge("tsv", drawn, rank=2 * count if short else None)
    for module, delta in dense(merged.update).items():
        us, values, vs = [], [], []
        for part, weight in zip(parts(drawn[0], module), drawn[1], strict=True):
            u, s, vt = torch.linalg.svd(part, full_matrices=False)
            kept = min(int((s > 1e-6 * s[0]).sum()), 2 if short else len(s))
            us, values, vs = [*us, u[:, :kept]], [*values, weight * s[:kept]], [*vs, vt[:kept].T]
        assume(min(torch.linalg.cond(torch.cat(us, 1)), 1e9) < 100 > torch.linalg.cond(torch.cat(vs, 1)))
        wanted = polar(torch.cat(us, 1)) @ torch.diag(torch.cat(values)) @ polar(torch.cat(vs, 1)).T
        assert (delta - wanted).norm() <= 1e-4 * wanted.norm() + 1e-6


def polar(columns: Tensor) -> Tensor:
    p, _, qt = torch.linalg.svd(columns, full_matrices=False)
    return p @ qt


def test_tsv_of_one_task_twice_is_that_task() -> None:
    update: Update = {"m": LowRank(torch.randn(9, 3), torch.randn(3, 7))}
    own = COMPOSITIONS.get("tsv").settings()
    merged = importlib.import_module("adapter_workbench.fusion.methods.tsv").merge([update, update], [1.0, 1.0], own, 0)
    torch.testing.assert_close(dense(merged.update)["m"], dense(update)["m"], rtol=1e-4, atol=1e-5)


@given(weighted_loras(), st.sampled_from([0.01, 0.4, 0.8]))
@EXAMPLES
def test_subspace_boosting_is_the_clamp_of_the_non_zero_spectrum(drawn: Drawn, beta: float) -> None:
    merged = merge("subspace-boosting", drawn, beta=beta)
    for module, delta in dense(merged.update).items():
        values = torch.linalg.svdvals(sum(weighted(drawn, module)))
        values = values[values > 1e-5 * values[0]]
        shares = values.cumsum(0) / values.sum()
        assume((shares - beta).abs().min() > 1e-4 and values[-1] > 1e-3 * values[0])
        wanted = values.clamp(min=values[int((shares >= beta).nonzero()[0])])
        torch.testing.assert_close(torch.linalg.svdvals(delta)[: len(values)], wanted, rtol=1e-3, atol=1e-5)


@given(weighted_loras(), st.sampled_from([0.4, 0.8]))
@EXAMPLES
def test_star_is_the_dense_truncation_and_rescaling(drawn: Drawn, eta: float) -> None:
    def kept(part: Tensor) -> Tensor:
        u, values, vt = torch.linalg.svd(part, full_matrices=False)
        if not values[0]:
            return part
        shares = values.cumsum(0) / values.sum()
        rank = int((shares >= eta).nonzero()[0]) + 1
        following = values[rank] if rank < len(values) else 0.0
        assume((shares - eta).abs().min() > 1e-4 and values[rank - 1] - following > 1e-2 * values[0])
        return (u[:, :rank] * values[:rank] / shares[rank - 1]) @ vt[:rank]

    def mean(module: str) -> Tensor:
        return sum(w * kept(part) for part, w in zip(parts(drawn[0], module), drawn[1], strict=True))

    assert_is(merge("star", drawn, eta=eta), drawn, mean, 1e-4)


@given(weighted_loras())
@EXAMPLES
def test_wudi_is_the_least_of_its_loss(drawn: Drawn) -> None:
    for module, delta in dense(merge("wudi", drawn).update).items():
        given = [part for part in weighted(drawn, module) if part.norm()]
        grams = [part.T @ part / part.square().sum() for part in given]
        inverse = torch.linalg.pinv(sum(grams), rtol=1e-12, hermitian=True)
        best = sum(part @ gram for part, gram in zip(given, grams, strict=True)) @ inverse

        def loss(merged: Tensor, given: Sequence[Tensor] = given) -> float:
            return sum(float((((merged - part) @ part.T).norm() / part.norm()).square()) for part in given)

        assert loss(delta) <= loss(best) + 1e-9 * loss(torch.zeros_like(delta))


@given(weighted_loras(fewest=2), st.sampled_from([0.2, 0.5, 1.0]))
@EXAMPLES
def test_knots_by_core_space_s_rule_is_ties_on_the_joint_right_singular_vectors(drawn: Drawn, density: float) -> None:
    merged = merge("knots", drawn, density=density, scale=0.5, rule="core-space")
    for module, delta in dense(merged.update).items():
        matrices = parts(drawn[0], module)
        u, values, vt = torch.linalg.svd(torch.cat(matrices, dim=1), full_matrices=False)
        solid = values > 1e-5 * values[0]
        assume(min_gap(values[solid]) > 1e-3)  # else the vectors are not determined
        aligned = clean(vt[solid]).split(matrices[0].shape[1], dim=1)
        chosen = reference_ties(aligned, drawn[1], [between(part, density) for part in aligned])
        wanted = 0.5 * (u[:, solid] * values[solid]) @ chosen
        assert (delta - wanted).norm() <= 1e-3 * wanted.norm()


@given(weighted_loras(fewest=2), st.sampled_from([0.2, 0.5, 1.0]))
@EXAMPLES
def test_core_space_of_balanced_factors_is_ties_in_their_bases(drawn: Drawn, density: float) -> None:
    merged = merge("core-space", drawn, density=density, split="balanced")
    for module, delta in dense(merged.update).items():
        matrices = parts(drawn[0], module)
        halves = [torch.linalg.svd(part, full_matrices=False) for part in matrices]
        u, u_values, _ = torch.linalg.svd(torch.cat([u * s.sqrt() for u, s, _ in halves], 1), full_matrices=False)
        v, v_values, _ = torch.linalg.svd(torch.cat([vt.T * s.sqrt() for _, s, vt in halves], 1), full_matrices=False)
        u, u_values, v, v_values = (
            u[:, u_values > 1e-5 * u_values[0]],
            u_values[u_values > 1e-5 * u_values[0]],
            v[:, v_values > 1e-5 * v_values[0]],
            v_values[v_values > 1e-5 * v_values[0]],
        )
        assume(min(min_gap(u_values), min_gap(v_values)) > 1e-3)
        cores = [clean(u.T @ part @ v) for part in matrices]
        wanted = u @ reference_ties(cores, drawn[1], [between(core, density) for core in cores]) @ v.T
        assert (delta - wanted).norm() <= 1e-3 * wanted.norm() + 1e-5


def clean(matrix: Tensor) -> Tensor:
    """Return what is rounding of zero as zero: a source that does not adapt a module has no vote in it."""
    return torch.where(matrix.abs() > 1e-12, matrix, 0.0)


def min_gap(values: Tensor) -> float:
    """The smallest distance of neighbouring singular values, the last one's to zero included, relative to the first."""
    return float((values - torch.cat([values[1:], values.new_zeros(1)])).min() / values[0])


def test_core_space_of_balanced_factors_does_not_depend_on_how_an_update_was_split() -> None:
    torch.manual_seed(0)
    source, factored = ({"m": LowRank(torch.randn(9, 3), torch.randn(3, 7))} for _ in range(2))
    mixing = torch.randn(3, 3)
    mixed = {"m": LowRank(factored["m"].b @ mixing, torch.linalg.inv(mixing) @ factored["m"].a)}
    card, run = (
        COMPOSITIONS.get("core-space"),
        importlib.import_module("adapter_workbench.fusion.methods.core_space").merge,
    )

    def merged_twice(split: str) -> tuple[Tensor, Tensor]:
        own = card.settings(split=split)
        first, second = (dense(run([source, other], [1.0, 1.0], own, 0).update)["m"] for other in (factored, mixed))
        return first, second

    torch.testing.assert_close(*merged_twice("balanced"), rtol=1e-3, atol=1e-4)
    first, second = merged_twice("stored")
    assert (first - second).norm() > 0.1 * first.norm(), "in the authors' bases it does"


# ------------------------------------------------------------------------------------------------ entry by entry


def kth(matrix: Tensor, density: float) -> float:
    return float(matrix.abs().flatten().sort(descending=True).values[max(1, round(density * matrix.numel())) - 1])


def between(matrix: Tensor, density: float) -> float:
    """What lies between the smallest entry that stays and the largest that goes; rounding must not change places."""
    ordered = matrix.abs().flatten().sort(descending=True).values
    stays = max(1, round(density * matrix.numel()))
    least, next_one = float(ordered[stays - 1]), float(ordered[stays]) if stays < len(ordered) else 0.0
    assume(least == 0.0 or least - next_one > 1e-5 * least)
    return (least + next_one) / 2


def reference_elect(deltas: Sequence[Tensor]) -> Tensor:
    stacked = torch.stack(list(deltas))
    agrees = (stacked.sign() == stacked.sum(0).sign()) & (stacked != 0)
    return (stacked * agrees).sum(0) / agrees.sum(0).clamp(min=1)


def reference_ties(matrices: Sequence[Tensor], weights: Sequence[float], floors: Sequence[float]) -> Tensor:
    trimmed = [
        weight * torch.where(part.abs() >= least, part, 0.0)
        for part, weight, least in zip(matrices, weights, floors, strict=True)
    ]
    return reference_elect(trimmed)


def assert_cut(merged: Merged, drawn: Drawn, reference: Callable[[str], Tensor], slack: float) -> None:
    """Hold a merge to the best approximation of the reference: its error at most 0.1 % above, plus rounding."""
    rank = largest_rank([source.read() for source in drawn[0]])
    for module, delta in dense(merged.update).items():
        whole = reference(module)
        best = (whole - cut(whole, rank)).norm()
        assert (whole - delta).norm() <= 1.001 * best + slack * scale_of(drawn, module), module


@given(weighted_loras(), st.sampled_from([0.2, 0.5, 1.0]), st.sampled_from(["global", "module"]))
@EXAMPLES
def test_ties_is_the_dense_ties(drawn: Drawn, density: float, scope: str) -> None:
    across = [
        between(torch.cat([part.flatten() for part in source.dense().values()])[None], density) for source in drawn[0]
    ]

    def reference(module: str) -> Tensor:
        matrices = parts(drawn[0], module)
        floors = across if scope == "global" else [between(part, density) for part in matrices]
        return 0.5 * reference_ties(matrices, drawn[1], floors)

    assert_cut(merge("ties", drawn, density=density, scope=scope, scale=0.5), drawn, reference, 1e-5)


def masks(drawn: Drawn, seed: int) -> dict[str, list[Tensor]]:
    """The uniform numbers behind the masks: module by module, source by source."""
    generator = torch.Generator().manual_seed(seed)
    return {module: [torch.rand(SHAPES[module], generator=generator) for _ in drawn[0]] for module in modules(drawn[0])}


@given(weighted_loras(), st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 2**32))
@EXAMPLES
def test_dare_is_the_dense_dare_under_the_same_masks(drawn: Drawn, rate: float, seed: int) -> None:
    noise = masks(drawn, seed)

    def dropped(module: str) -> list[Tensor]:
        return [
            part * (draws >= rate) / (1 - rate)
            for part, draws in zip(weighted(drawn, module), noise[module], strict=True)
        ]

    slack = 1e-5 / (1 - rate)
    assert_cut(merge("dare", drawn, seed, drop=rate), drawn, lambda module: sum(dropped(module)), slack)
    assert_cut(
        merge("dare-ties", drawn, seed, drop=rate), drawn, lambda module: reference_elect(dropped(module)), slack
    )


@given(weighted_loras(), st.integers(0, 2**32))
@EXAMPLES
def test_della_is_the_dense_della_under_the_same_masks(drawn: Drawn, seed: int) -> None:
    noise = masks(drawn, seed)

    def reference(module: str) -> Tensor:
        kept = []
        for part, weight, draws in zip(parts(drawn[0], module), drawn[1], noise[module], strict=True):
            columns = part.shape[1]
            larger = (part.abs()[:, None, :] > part.abs()[:, :, None]).sum(2)  # how many of its row are larger
            rates = 0.6 - 0.3 / 2 + 0.3 * larger / columns
            kept.append(weight * part * (draws >= rates) / (1 - rates))
        return reference_elect(kept)

    assert_cut(merge("della", drawn, seed, drop=0.6, window=0.3), drawn, reference, 1e-4)


@given(weighted_loras())
@EXAMPLES
def test_magnitude_and_breadcrumbs_are_the_dense_ones(drawn: Drawn) -> None:
    def largest(module: str) -> Tensor:
        return sum(
            weight * torch.where(part.abs() >= between(part, 0.3), part, 0.0)
            for part, weight in zip(parts(drawn[0], module), drawn[1], strict=True)
        )

    def middle(module: str) -> Tensor:
        total = torch.zeros(SHAPES[module], dtype=torch.float64)
        for part, weight in zip(parts(drawn[0], module), drawn[1], strict=True):
            order = part.abs().flatten().argsort()
            kept = order[int(0.5 * len(order)) : int(0.9 * len(order))]
            mask = torch.zeros(len(order), dtype=torch.float64).index_fill_(0, kept, 1.0).view_as(part)
            total += 0.3 * weight * part * mask
        return total

    assert_cut(merge("magnitude", drawn, density=0.3), drawn, largest, 1e-5)
    assert_cut(merge("breadcrumbs", drawn, lower=0.5, upper=0.9), drawn, middle, 1e-5)


@given(weighted_loras())
@EXAMPLES
def test_magmax_takes_each_entry_where_it_is_largest(drawn: Drawn) -> None:
    def reference(module: str) -> Tensor:
        weighted = torch.stack([w * part for part, w in zip(parts(drawn[0], module), drawn[1], strict=True)])
        first = weighted.abs().argmax(0, keepdim=True)
        return 0.5 * weighted.gather(0, first).squeeze(0)

    assert_cut(merge("magmax", drawn, scale=0.5), drawn, reference, 1e-4)


@pytest.mark.parametrize("alpha", [0.3, 0.5, 0.9, 1.0])
def test_opcm_leaves_out_what_touches_directions_in_use(alpha: float) -> None:
    """The authors' steps on dense matrices, with singular vectors that have a value alone; α = 1 protects them all."""
    draw = torch.Generator().manual_seed(3)
    shapes, ranks, weights = {"first": (9, 7), "second": (6, 8)}, (3, 2, 4), (1.0, 0.5, 2.0)
    updates = [
        {
            name: LowRank(torch.randn(out, rank, generator=draw), torch.randn(rank, inside, generator=draw))
            for name, (out, inside) in shapes.items()
        }
        for rank in ranks
    ]
    sources = [{n: w * dense(u)[n] for n in shapes} for u, w in zip(updates, weights, strict=True)]
    size = [math.hypot(*(float(delta.norm()) for delta in source.values())) for source in sources]
    merged, factor = sources[0], 1.0
    for t in (1, 2):
        whole = {}
        for name, new in sources[t].items():
            left, values, right = torch.linalg.svd(merged[name])
            p = int((values > 1e-9 * values[0]).sum())
            left, values, right = left[:, :p], values[:p], right[:p]
            inside = left.T @ new @ right.T
            lost = torch.diag(inside.diagonal())
            k = p if alpha == 1 else int((values.cumsum(0) / values.sum() > alpha).float().argmax())
            lost[:k, :k] = inside[:k, :k]
            whole[name] = factor * merged[name] + new - left @ lost @ right
        factor = math.hypot(*(float(delta.norm()) for delta in whole.values())) / (sum(size[: t + 1]) / (t + 1))
        merged = {name: delta / factor for name, delta in whole.items()}
    own = COMPOSITIONS.get("opcm").settings(alpha=alpha, rank=9, scale=1.5)
    result = dense(
        importlib.import_module("adapter_workbench.fusion.methods.opcm").merge(updates, weights, own, 0).update
    )
    for name, delta in result.items():
        torch.testing.assert_close(delta, 1.5 * merged[name], rtol=1e-5, atol=1e-5)
    total = math.hypot(*(float(delta.norm()) for delta in result.values()))
    assert total == pytest.approx(1.5 * sum(size) / 3, rel=1e-5), "the mean norm of the sources"


def test_signs_are_elected_after_weighting() -> None:
    # by hand: weights (1, −3) turn the second entry around; its −3 · 1 outvotes the 2
    assert elect([torch.tensor([2.0, 0.0]), -3 * torch.tensor([1.0, 1.0])]).tolist() == [-3.0, -3.0]
    # 1 and 3 agree, −2 does not: their mean; a tie elects nobody
    assert elect(torch.tensor([[1.0, 1.0], [3.0, -1.0], [-2.0, 0.0]])).tolist() == [2.0, 0.0]


@given(st.floats(0.001, 1.0), st.integers(0, 2**32))
@EXAMPLES
def test_the_floor_across_modules_is_the_one_of_all_entries_sorted(density: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    update = {
        str(size): LowRank(torch.randn(size, 2, generator=generator), torch.randn(2, 9, generator=generator))
        for size in (3, 7, 9000)  # the last has more entries than a block
    }
    entries = torch.cat([(pair.b @ pair.a).flatten() for pair in update.values()])
    assert floor_across(update, density) == pytest.approx(kth(entries[None], density), rel=1e-7)
    for pair in update.values():
        assert floor(pair, density) == pytest.approx(kth(pair.b @ pair.a, density), rel=1e-6)


def test_the_floor_across_modules_of_float64_is_exact_to_the_last_bit() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = {"generator": generator, "dtype": torch.float64}
    update = {str(size): LowRank(torch.randn(size, 2, **wide), torch.randn(2, 9, **wide)) for size in (3, 900)}
    entries = torch.cat([(pair.b @ pair.a).flatten() for pair in update.values()])
    for density in (0.001, 0.2, 1.0):
        assert floor_across(update, density) == kth(entries[None], density)


@pytest.mark.parametrize("method", ["knots", "core-space", "tsv", "iso-c", "ties"])
def test_updates_that_change_nothing_merge_to_nothing(method: str) -> None:
    update: Update = {"m": LowRank(torch.zeros(9, 3), torch.randn(3, 7))}
    own = COMPOSITIONS.get(method).settings()
    module = importlib.import_module(f"adapter_workbench.fusion.methods.{method.replace('-', '_')}")
    assert not dense(module.merge([update, update], [1.0, 1.0], own, 0).update)["m"].any()


def test_random_merges_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    update: Update = {"m": LowRank(torch.randn(9, 3), torch.randn(3, 7))}
    for method in ("dare", "dare-ties", "della"):
        own = COMPOSITIONS.get(method).settings()
        run = importlib.import_module(f"adapter_workbench.fusion.methods.{method.replace('-', '_')}").merge
        state = torch.get_rng_state()
        first, same, other = (dense(run([update], [1.0], own, seed).update)["m"] for seed in (0, 0, 1))
        assert torch.equal(first, same)
        assert not torch.equal(first, other)
        assert torch.equal(state, torch.get_rng_state())


# ------------------------------------------------------------------------------------------------ what is refused


def test_doubled_weights_double_the_result_unless_only_their_ratio_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    sources = [
        {"m": LowRank(torch.randn(16, 4, generator=generator), torch.randn(4, 16, generator=generator))}
        for _ in range(2)
    ]
    merges = {
        name: compose
        for name in COMPOSITIONS.names()
        if isinstance(compose := COMPOSITIONS.get(name).compose, Arithmetic)
    }
    for name, compose in merges.items():
        own = COMPOSITIONS.get(name).settings()
        once, twice = (dense(compose.merge(sources, [weight] * 2, own, 0).update)["m"] for weight in (0.5, 1.0))
        torch.testing.assert_close(twice, once if compose.relative else 2 * once, atol=1e-4, rtol=1e-4, msg=name)


def test_weights_have_to_fit_the_sources() -> None:
    assert weights_for(None, 4, uniform) == (0.25,) * 4
    with pytest.raises(InputError, match="number of sources 3, of weights 2"):
        weights_for((1.0, 2.0), 3, uniform)
    with pytest.raises(InputError, match="finite"):
        weights_for((1.0, math.nan), 2, uniform)


def test_what_has_no_meaning_is_refused() -> None:
    update: Update = {"m": LowRank(torch.randn(9, 3), torch.randn(3, 7))}
    slerp, tsv = (importlib.import_module(f"adapter_workbench.fusion.methods.{name}") for name in ("slerp", "tsv"))
    with pytest.raises(InputError, match=naming("slerp", "two sources, got 3")):
        slerp.merge([update] * 3, [1.0] * 3, slerp.COMPOSITION.settings(), 0)
    with pytest.raises(InputError, match="weights ≥ 0"):
        slerp.merge([update] * 2, [1.0, -1.0], slerp.COMPOSITION.settings(), 0)
    with pytest.raises(InputError, match=naming("rank 1 ", "2 sources")):
        tsv.merge([update] * 2, [1.0, 1.0], tsv.COMPOSITION.settings(rank=1), 0)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        ("svd", {"rank": 0}),
        ("cat", {"rank": 4}),
        ("ties", {"density": 0}),
        ("ties", {"scope": "layer"}),
        ("dare", {"drop": 1}),
        ("della", {"drop": 0.9, "window": 0.4}),
        ("breadcrumbs", {"lower": 0.9, "upper": 0.5}),
        ("sum", {"scale": float("inf")}),
    ],
)
def test_settings_that_cannot_be_are_refused(method: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMPOSITIONS.get(method).settings(**wrong)


def test_a_weight_too_few_is_refused_before_anything_is_loaded(tmp_path: Any) -> None:
    sources = tuple(SimpleNamespace(folder=tmp_path / str(i)) for i in range(3))
    card = COMPOSITIONS.get("sum")
    with pytest.raises(InputError, match="number of sources 3, of weights 2"):
        card.compose(SimpleNamespace(sources=sources), card.settings(weights=(1.0, 1.0)))
