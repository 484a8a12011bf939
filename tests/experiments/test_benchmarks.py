"""The rule by which learning rates are chosen."""

from __future__ import annotations

from experiments.benchmarks.learning_rates import choose

PLACES = [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def grid(**rows: list[float]) -> dict[float, dict[tuple[str, int], float]]:
    return {float(rate[1:]): dict(zip(PLACES, scores, strict=True)) for rate, scores in rows.items()}


def test_the_best_is_taken_where_it_is_clearly_best() -> None:
    assert choose(grid(r1=[0.5, 0.6, 0.5, 0.6], r2=[0.9, 0.9, 0.9, 0.9], r3=[0.7, 0.8, 0.7, 0.8])) == 2.0


def test_of_rates_that_teach_alike_the_smallest_is_taken() -> None:
    # gaps of rate 1 to rate 2: −0.02, 0.04, 0, 0 → mean 0.005, standard error 0.0126 (by hand)
    assert choose(grid(r1=[0.92, 0.86, 0.9, 0.9], r2=[0.9, 0.9, 0.9, 0.9], r3=[0.1, 0.1, 0.1, 0.1])) == 1.0


def test_a_small_gap_that_is_always_there_counts() -> None:
    assert choose(grid(r1=[0.89, 0.89, 0.89, 0.89], r2=[0.9, 0.9, 0.9, 0.9])) == 2.0
