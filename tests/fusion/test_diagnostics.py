"""Statistics of updates against their definitions on dense ΔW, and their chance against closed forms."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import torch

from adapter_workbench.fusion.diagnosis import diagnostics as diagnosing
from adapter_workbench.fusion.diagnosis.diagnostics import Diagnostics, against_chance, diagnose
from adapter_workbench.fusion.updates.lowrank import LowRank, Update
from adapter_workbench.workbench.errors import InputError

SHAPES = {"query": (20, 24), "up": (30, 20)}
RANKS = (3, 2, 4)


def random_update(rank: int, seed: int, names: tuple[str, ...] = tuple(SHAPES)) -> Update:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: LowRank(
            (index + 1) * torch.randn(SHAPES[name][0], rank, generator=generator, dtype=torch.float64),
            torch.randn(rank, SHAPES[name][1], generator=generator, dtype=torch.float64),
        )
        for index, name in enumerate(names)
    }


def dense(update: Update) -> dict[str, np.ndarray]:
    zero = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    return zero | {name: (pair.b @ pair.a).numpy() for name, pair in update.items()}


def svd(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    rank = int((s > 1e-9 * max(s[0], 1e-300)).sum())
    return u[:, :rank], s[:rank], vt[:rank].T


def sti(matrices: list[np.ndarray]) -> float:
    u, s, v = (list(part) for part in zip(*map(svd, matrices), strict=True))
    left, right = np.hstack(u), np.hstack(v)
    eye = np.eye(left.shape[1])
    return float(np.abs((left.T @ left - eye) @ np.diag(np.concatenate(s)) @ (right.T @ right - eye)).sum())


@pytest.fixture(scope="module")
def updates() -> list[Update]:
    """Three unrelated updates of different rank; the second leans on the first, the third lacks a module."""
    first, second, third = (random_update(rank, seed) for seed, rank in enumerate(RANKS))
    leaning = {
        name: LowRank(pair.b + first[name].b[:, :2], pair.a + first[name].a[:2]) for name, pair in second.items()
    }
    return [first, leaning, {"query": third["query"]}]


@pytest.fixture(scope="module")
def diagnostics(updates: list[Update]) -> Diagnostics:
    return diagnose(["a", "b", "c"], updates, permutations=99, seed=1)


PAIRS = [(0, 1), (0, 2), (1, 2)]


@pytest.mark.parametrize(("i", "j"), PAIRS)
def test_cosine_is_that_of_all_entries(updates: list[Update], diagnostics: Diagnostics, i: int, j: int) -> None:
    x, y = (np.concatenate([matrix.ravel() for matrix in dense(updates[index]).values()]) for index in (i, j))
    expected = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert diagnostics.pairs["cosine"].value[i][j] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("i", "j"), PAIRS)
def test_sign_conflict_weighs_entries_by_what_they_do(
    updates: list[Update], diagnostics: Diagnostics, i: int, j: int
) -> None:
    products = np.concatenate([(dense(updates[i])[name] * dense(updates[j])[name]).ravel() for name in SHAPES])
    expected = -products[products < 0].sum() / np.abs(products).sum()
    assert diagnostics.pairs["sign_conflict"].value[i][j] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("i", "j"), PAIRS)
@pytest.mark.parametrize(("name", "side"), [("left_overlap", 0), ("right_overlap", 2)])
def test_overlap_is_that_of_singular_spaces(
    updates: list[Update], diagnostics: Diagnostics, i: int, j: int, name: str, side: int
) -> None:
    of_i, of_j = dense(updates[i]), dense(updates[j])
    values, weights = [], []
    for module in SHAPES:
        first, second = svd(of_i[module]), svd(of_j[module])
        smaller = max(min(len(first[1]), len(second[1])), 1)
        values.append(np.linalg.norm(first[side].T @ second[side]) ** 2 / smaller)
        weights.append(np.linalg.norm(first[1]) * np.linalg.norm(second[1]))
    assert diagnostics.pairs[name].value[i][j] == pytest.approx(np.average(values, weights=weights), abs=1e-12)


@pytest.mark.parametrize(("i", "j"), PAIRS)
def test_interference_is_sti_over_the_singular_values(
    updates: list[Update], diagnostics: Diagnostics, i: int, j: int
) -> None:
    of_i, of_j = dense(updates[i]), dense(updates[j])
    nuclear = sum(svd(matrices[module])[1].sum() for matrices in (of_i, of_j) for module in SHAPES)
    expected = sum(sti([of_i[module], of_j[module]]) for module in SHAPES) / nuclear
    assert diagnostics.pairs["interference"].value[i][j] == pytest.approx(expected, abs=1e-12)


def test_interference_of_all_is_sti_of_all(updates: list[Update], diagnostics: Diagnostics) -> None:
    all_of_them = [dense(update) for update in updates]
    nuclear = sum(svd(matrices[module])[1].sum() for matrices in all_of_them for module in SHAPES)
    expected = sum(sti([matrices[module] for matrices in all_of_them]) for module in SHAPES) / nuclear
    assert diagnostics.interference.value == pytest.approx(expected, abs=1e-12)


def test_alignment_is_the_share_inside_the_sum(updates: list[Update], diagnostics: Diagnostics) -> None:
    all_of_them = [dense(update) for update in updates]
    inside, energy = np.zeros(3), np.zeros(3)
    for module in SHAPES:
        total = sum(matrices[module] for matrices in all_of_them)
        u, s, _ = svd(total)
        k = next(k for k in range(len(s) + 1) if np.linalg.norm(s[k:]) <= 0.05 * np.linalg.norm(s))
        inside += [np.linalg.norm(u[:, :k].T @ matrices[module]) ** 2 for matrices in all_of_them]
        energy += [np.linalg.norm(matrices[module]) ** 2 for matrices in all_of_them]
    assert [source.alignment for source in diagnostics.sources] == pytest.approx(np.sqrt(inside / energy), abs=1e-9)


def test_alignment_falls_where_the_sum_leaves_an_update_out() -> None:
    large, small = random_update(2, 0), random_update(2, 1)
    faint = {name: LowRank(1e-3 * pair.b, pair.a) for name, pair in small.items()}
    first, second = diagnose(["large", "faint"], [large, faint], permutations=1).sources
    assert first.alignment is not None and second.alignment is not None
    assert first.alignment > 0.999
    assert second.alignment < 0.7


def test_facts_of_a_source() -> None:
    u, v = torch.eye(20, 4, dtype=torch.float64), torch.eye(4, 24, dtype=torch.float64)
    flat, steep = LowRank(u, v), LowRank(u * torch.tensor([1.0, 1e-4, 1e-4, 1e-4]), v)
    first, second = diagnose(["flat", "steep"], [{"query": flat}, {"query": steep}], permutations=1).sources
    assert (first.norm, first.modules) == (pytest.approx(2.0), 1)
    assert first.effective_rank == pytest.approx(4.0)  # four equal values
    assert second.effective_rank == pytest.approx(1.0, abs=0.01)


def test_an_update_with_itself_and_with_its_opposite() -> None:
    update = random_update(3, 0)
    opposite = {name: LowRank(-pair.b, pair.a) for name, pair in update.items()}
    diagnostics = diagnose(["a", "same", "opposite"], [update, update, opposite], permutations=199)
    values = {name: (statistic.value[0][1], statistic.value[0][2]) for name, statistic in diagnostics.pairs.items()}
    assert values["cosine"] == pytest.approx((1, -1))
    assert values["sign_conflict"] == pytest.approx((0, 1), abs=1e-6)
    for name in ("left_overlap", "right_overlap", "interference"):
        assert values[name] == pytest.approx((1, 1))
    # 2 / 200: the least that 199 draws can say
    assert all(statistic.p[0][1] == 2 / 200 for statistic in diagnostics.pairs.values())
    assert diagnose(["a", "b", "c"], [update] * 3, permutations=1).interference.value == pytest.approx(4)  # (3 − 1)²
    assert [diagnostics.pairs["cosine"].value[i][i] for i in range(3)] == pytest.approx([1, 1, 1])
    assert diagnostics.pairs["cosine"].p[0][0] is None


def test_orthogonal_updates_do_not_interfere() -> None:
    eye, wide = torch.eye(20, dtype=torch.float64), torch.eye(24, dtype=torch.float64)
    first, second = LowRank(eye[:, :3], wide[:3]), LowRank(eye[:, 3:5], wide[3:5])
    diagnostics = diagnose(["a", "b"], [{"query": first}, {"query": second}], permutations=9)
    for name in ("cosine", "left_overlap", "right_overlap", "interference"):
        assert diagnostics.pairs[name].value[0][1] == 0
    assert diagnostics.interference.value == 0
    assert diagnostics.pairs["sign_conflict"].value[0][1] is None  # there is no entry that both change


def test_modules_that_only_one_adapts() -> None:
    diagnostics = diagnose(["a", "b"], [random_update(2, 0, ("query",)), random_update(2, 1, ("up",))], permutations=9)
    assert diagnostics.pairs["cosine"].value[0][1] == 0
    assert diagnostics.pairs["interference"].value[0][1] == 0
    assert diagnostics.pairs["left_overlap"].value[0][1] is None
    assert diagnostics.pairs["left_overlap"].p[0][1] is None


def test_chance_of_overlap_is_the_closed_form() -> None:
    """A permuted v with Σ v = 0 has E v vᵀ = (I − 1 1ᵀ ÷ d) ÷ (d − 1), so E ‖UᵀPV‖²_F = rᵤ rᵥ ÷ (d − 1)."""
    generator = torch.Generator().manual_seed(0)
    updates = []
    for _ in range(2):
        b = torch.randn(40, 3, generator=generator, dtype=torch.float64)
        a = torch.randn(3, 50, generator=generator, dtype=torch.float64)
        updates.append({"query": LowRank(b - b.mean(dim=0), a - a.mean(dim=1, keepdim=True))})
    diagnostics = diagnose(["a", "b"], updates, permutations=2000)
    assert diagnostics.pairs["left_overlap"].mean[0][1] == pytest.approx(3 / 39, rel=0.05)
    assert diagnostics.pairs["right_overlap"].mean[0][1] == pytest.approx(3 / 49, rel=0.05)
    assert diagnostics.pairs["cosine"].mean[0][1] == pytest.approx(0, abs=0.003)
    assert diagnostics.pairs["sign_conflict"].mean[0][1] == pytest.approx(0.5, abs=0.003)


def test_unrelated_updates_are_rarely_called_related() -> None:
    """Of 45 pairs of random updates, 5 % lie beyond chance on average; related ones all do."""
    unrelated = [random_update(2, seed) for seed in range(10)]
    names = [str(seed) for seed in range(10)]
    diagnostics = diagnose(names, unrelated, permutations=199)
    for statistic in diagnostics.pairs.values():
        values = np.array([statistic.p[i][j] for i in range(10) for j in range(i)])
        assert (values <= 0.05).mean() < 0.2
        assert 0.3 < values.mean() < 0.7
    common = random_update(1, 99)
    related = [
        {
            name: LowRank(torch.cat([pair.b, common[name].b], 1), torch.cat([pair.a, common[name].a]))
            for name, pair in update.items()
        }
        for update in unrelated[:4]
    ]
    diagnostics = diagnose(names[:4], related, permutations=199)
    assert all(diagnostics.pairs["cosine"].p[i][j] == 0.01 for i in range(4) for j in range(i))


def test_p_counts_both_sides() -> None:
    draws = np.arange(1.0, 100.0)
    assert against_chance(np.array([1000.0, *draws])).p == 2 / 100
    assert against_chance(np.array([-1000.0, *draws])).p == 2 / 100
    assert against_chance(np.array([50.0, *draws])).p == 1.0
    assert against_chance(np.array([97.5, *draws])).p == 2 * 3 / 100
    chance = against_chance(np.array([0.0, *draws]))
    assert (chance.mean, chance.low, chance.high) == pytest.approx((50, *np.quantile(draws, [0.025, 0.975])))


def test_large_modules_are_read_in_part(updates: list[Update], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = diagnose(["a", "b", "c"], updates, permutations=199)
    monkeypatch.setattr(diagnosing, "BLOCK", 12)
    part = diagnose(["a", "b", "c"], updates, permutations=199)
    value, sampled = (reading.pairs["sign_conflict"].value[0][1] for reading in (whole, part))
    assert value != sampled
    assert value == pytest.approx(sampled, abs=0.1)
    assert whole.pairs["cosine"] == part.pairs["cosine"]  # needs no entries, so it stays exact


def test_the_seed_decides(updates: list[Update], diagnostics: Diagnostics) -> None:
    again, other = (diagnose(["a", "b", "c"], updates, permutations=99, seed=seed) for seed in (1, 2))
    assert again == diagnostics
    assert other.pairs["cosine"].value == diagnostics.pairs["cosine"].value
    assert other.pairs["cosine"].mean != diagnostics.pairs["cosine"].mean


def test_json_holds_everything(diagnostics: Diagnostics) -> None:
    document = json.loads(json.dumps(diagnostics.as_json(), allow_nan=False))
    assert [source["name"] for source in document["sources"]] == ["a", "b", "c"]
    assert set(document["pairs"]) == {"cosine", "sign_conflict", "left_overlap", "right_overlap", "interference"}
    for matrices in document["pairs"].values():
        assert set(matrices) == {"value", "mean", "low", "high", "p"}
        for matrix in matrices.values():
            assert [len(row) for row in matrix] == [3, 3, 3]
            assert matrix == [list(column) for column in zip(*matrix, strict=True)]  # symmetric
    assert document["permutations"] == 99
    assert all(source["norm"] > 0 for source in document["sources"])
    assert all(source != other for source, other in pairwise(document["sources"]))


def test_what_cannot_be_diagnosed_is_refused() -> None:
    with pytest.raises(InputError, match="at least one update"):
        diagnose([], [])
    with pytest.raises(InputError, match="adapt no module"):
        diagnose(["a"], [{}])
    other = {"query": LowRank(torch.ones(5, 1), torch.ones(1, 5))}
    with pytest.raises(InputError, match="different models"):
        diagnose(["a", "b"], [random_update(1, 0), other])
