"""Two samples of different rows: expected values are SciPy's, Newcombe's table, or counted out."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from adapter_workbench.workbench.measures.independent_samples import (
    exceedances,
    ranks_differ,
    share_difference,
    share_is_higher,
)
from adapter_workbench.workbench.measures.relabelled_samples import (
    contrasts,
    counts_differ,
    distances_between,
    energy_distances,
    shares_differ,
    vectors_differ,
)

GENERATOR = np.random.default_rng(1)


def test_a_contrast_is_a_difference_of_means_and_the_first_one_is_the_observed_one() -> None:
    values = GENERATOR.normal(size=30)
    dealt = contrasts(20, 10, resamples=50)
    assert (dealt @ values)[0] == pytest.approx(values[20:].mean() - values[:20].mean(), abs=1e-6)
    assert ((dealt > 0).sum(axis=1) == 10).all()
    assert len({tuple(row > 0) for row in dealt}) == 51, "rows are dealt out anew"
    assert (dealt == contrasts(20, 10, resamples=50)).all(), "equal input, equal p"


def test_shares_have_nearly_the_p_of_pearson_s_test_where_counts_are_large() -> None:
    labels = np.concatenate(
        [GENERATOR.choice(3, 400, p=[0.5, 0.3, 0.2]), GENERATOR.choice(3, 300, p=[0.46, 0.3, 0.24])]
    )
    has = np.eye(4, dtype=bool)[labels]  # nobody has the fourth label
    table = [np.bincount(labels[:400]), np.bincount(labels[400:])]
    expected = stats.chi2_contingency(table).pvalue
    assert 0.01 < expected < 0.5
    assert shares_differ(contrasts(400, 300, resamples=4000), has) == pytest.approx(expected, abs=0.02)
    counts = [has[:400].sum(axis=0), has[400:].sum(axis=0)]
    assert counts_differ(*counts, resamples=4000) == pytest.approx(expected, abs=0.02)


def test_the_energy_distance_is_scipy_s_in_one_dimension() -> None:
    first, second = GENERATOR.normal(size=(40, 1)), GENERATOR.normal(0.7, 2, size=(25, 1))
    rows = np.concatenate([first, second])
    found = energy_distances(contrasts(40, 25), distances_between(rows, rows))[0]
    assert found == pytest.approx(stats.energy_distance(first[:, 0], second[:, 0]) ** 2, rel=1e-3)


def test_distances_are_euclidean() -> None:
    first, second = GENERATOR.normal(size=(5, 3)), GENERATOR.normal(size=(4, 3))
    expected = np.linalg.norm(first[:, None] - second, axis=2)
    assert distances_between(first, second) == pytest.approx(expected, abs=1e-5)


def test_samples_that_are_alike_are_told_apart_as_rarely_as_the_level_says() -> None:
    alarms = {"shares": 0, "vectors": 0, "ranks": 0, "exceedances": 0}
    dealt, draws, level = contrasts(30, 20, resamples=99), 400, 0.1
    for _ in range(draws):
        vectors = GENERATOR.normal(size=(50, 3)).astype(np.float32)
        has = np.eye(3, dtype=bool)[GENERATOR.choice(3, 50)]
        first, second = np.abs(vectors[:30, 0]), np.abs(vectors[30:, 0])
        far = exceedances(first, second, 0.1)
        assert far is not None
        alarms["shares"] += shares_differ(dealt, has) <= level
        alarms["vectors"] += vectors_differ(dealt, distances_between(vectors, vectors)) <= level
        alarms["ranks"] += ranks_differ(first, second) <= level
        alarms["exceedances"] += far.p <= level
    most = stats.binom.ppf(0.999, draws, level)
    assert all(count <= most for count in alarms.values()), alarms
    least = stats.binom.ppf(0.001, draws, level)
    assert min(alarms["vectors"], alarms["ranks"]) >= least, "they are exact, but for ties"


def test_what_differs_is_found() -> None:
    dealt = contrasts(60, 40)
    apart = np.concatenate([GENERATOR.normal(size=(60, 4)), GENERATOR.normal(1.5, 1, size=(40, 4))])
    assert vectors_differ(dealt, distances_between(apart, apart)) == pytest.approx(1 / 500)
    has = np.zeros((100, 2), dtype=bool)
    has[:60, 0] = has[60:, 1] = True
    assert shares_differ(dealt, has) == pytest.approx(1 / 500)


def test_a_constant_has_no_ranks() -> None:
    assert ranks_differ(np.ones(5), np.ones(7)) == 1.0


@pytest.mark.parametrize("counts", [(5, 20, 3, 40), (0, 10, 2, 10), (10, 10, 10, 10), (30, 100, 18, 100)])
def test_a_higher_share_has_the_p_of_fisher_s_exact_test(counts: tuple[int, int, int, int]) -> None:
    hits, number, other_hits, other_number = counts
    table = [[hits, number - hits], [other_hits, other_number - other_hits]]
    assert share_is_higher(*counts) == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((0, 10, 0, 10), -0.2775, 0.2775)],
)
def test_a_difference_of_shares_has_the_interval_of_newcombe_s_table(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    """Newcombe 1998, table II, method 10."""
    found = share_difference(*counts)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_exceedances_have_the_chance_that_is_counted_over_all_orders() -> None:
    """Nine reference values and three new ones: each choice of three places among twelve is as likely."""
    places = [*combinations(range(12), 3)]

    def beyond(new: tuple[int, ...]) -> int:
        second_largest = sorted(set(range(12)) - set(new))[-2]
        return sum(place > second_largest for place in new)

    counted = [beyond(new) for new in places]
    for new in places[::17]:
        reference = np.array(sorted(set(range(12)) - set(new)), dtype=float)
        found = exceedances(reference, np.array(new, dtype=float), 0.2)  # k = ⌊0.2 · 10⌋ = 2
        assert found is not None
        expected = sum(count >= beyond(new) for count in counted) / len(places)
        assert (found.beyond.sum(), found.p) == (beyond(new), pytest.approx(expected))


def test_a_small_reference_has_no_bound() -> None:
    assert exceedances(np.arange(18.0), np.arange(5.0), 0.05) is None
    assert exceedances(np.arange(19.0), np.arange(5.0), 0.05) is not None
