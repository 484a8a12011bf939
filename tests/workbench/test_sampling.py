"""Properties of the stratified draw, for any label counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapter_workbench.workbench.methods.sampling import draw, stratified_sample
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget

COUNTS = st.lists(st.integers(1, 30), min_size=1, max_size=5)


def rows_of(counts: list[int], shuffle: int = 0) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    np.random.default_rng(shuffle).shuffle(labels)
    return Dataset.from_dict({"id": [f"r{index}" for index in range(len(labels))], "label": labels.tolist()})


def largest_remainder(counts: list[int], size: int) -> tuple[list[int], list[float]]:
    """Hamilton's method: floors, then one more for each of the largest remainders; and the remainders."""
    exact = [count * size / sum(counts) for count in counts]
    shares = [int(quota) for quota in exact]
    remainders = [quota - share for quota, share in zip(exact, shares, strict=True)]
    for index in sorted(range(len(counts)), key=lambda index: -remainders[index])[: size - sum(shares)]:
        shares[index] += 1
    return shares, remainders


@settings(max_examples=40, deadline=None)
@given(counts=COUNTS, size=st.integers(1, 160), seed=st.integers(0, 2**31))
def test_what_holds_for_every_draw(counts: list[int], size: int, seed: int) -> None:
    rows = rows_of(counts)
    drawn = stratified_sample(rows, size, seed)
    ids = drawn["id"][:]
    order = [int(name[1:]) for name in ids]
    assert len(set(ids)) == len(ids), "without replacement"
    assert order == sorted(order), "in the old order"
    assert [rows["label"][:][index] for index in order] == drawn["label"][:], "rows stay whole"
    assert set(drawn["label"][:]) == set(range(len(counts))), "each label at least once"
    assert ids == stratified_sample(rows, size, seed)["id"][:], "the same seed draws the same"
    if size >= len(rows):
        assert ids == rows["id"][:]


@st.composite
def counts_and_size(draw_value: st.DrawFn) -> tuple[list[int], int]:
    """Counts, and a size below their sum of which each label's share is one row at least."""
    counts = draw_value(st.lists(st.integers(2, 30), min_size=1, max_size=5))
    least = -(-sum(counts) // min(counts))  # with fewer, the minimum of one row takes over
    return counts, draw_value(st.integers(min(least, sum(counts) - 1), sum(counts) - 1))


@settings(max_examples=60, deadline=None)
@given(drawn=counts_and_size())
def test_shares_go_by_largest_remainder(drawn: tuple[list[int], int]) -> None:
    counts, size = drawn
    wanted, remainders = largest_remainder(counts, size)
    assume(len({round(remainder, 9) for remainder in remainders}) == len(remainders))  # ties may go either way
    rows = Counter(stratified_sample(rows_of(counts), size, seed=0)["label"][:])
    assert [rows[label] for label in range(len(counts))] == wanted


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, size=st.integers(1, 160), seed=st.integers(0, 100))
def test_the_size_is_exact(counts: list[int], size: int, seed: int) -> None:
    floors = [max(int(count * size / sum(counts)), 1) for count in counts]
    assume(sum(floors) <= size)  # else the minimum of one for each label takes over
    assert len(stratified_sample(rows_of(counts), size, seed)) == min(size, sum(counts))


def test_the_size_is_exact_where_most_labels_are_rare() -> None:
    drawn = Counter(stratified_sample(rows_of([97, 1, 1, 1]), 4, seed=0)["label"][:])
    assert drawn == {0: 1, 1: 1, 2: 1, 3: 1}


def test_a_hand_made_case() -> None:
    # 10 of 60, 30, 9, 1: exact shares 6, 3, 0.9, 0.1 -> floors 6, 3, 0, 0 -> at least one: 6, 3, 1, 1, which is 11;
    # without the rarest label: 7 of 60, 30, 9 (exact 4.24, 2.12, 0.64): floors 4, 2, 0, remainder to the last
    assert Counter(stratified_sample(rows_of([60, 30, 9]), 7, seed=1)["label"][:]) == {0: 4, 1: 2, 2: 1}


def test_no_size_takes_all() -> None:
    rows = rows_of([3, 4])
    assert stratified_sample(rows, None, 0)["id"][:] == rows["id"][:]


def test_rows_without_labels_are_drawn_too() -> None:
    rows = rows_of([20, 20]).remove_columns("label")
    drawn = stratified_sample(rows, 7, seed=3)["id"][:]
    assert len(set(drawn)) == 7
    assert drawn == [name for name in rows["id"][:] if name in set(drawn)], "in the old order"
    assert drawn == stratified_sample(rows, 7, seed=3)["id"][:] != stratified_sample(rows, 7, seed=4)["id"][:]


def test_seeds_draw_different_examples_and_each_row_can_be_drawn() -> None:
    rows = rows_of([20, 20])
    drawn = [frozenset(stratified_sample(rows, 10, seed)["id"][:]) for seed in range(30)]
    assert len(set(drawn)) > 25
    assert len(frozenset().union(*drawn)) == 40


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_only_training_examples_depend_on_the_seed(seed: int) -> None:
    splits = {name: rows_of([30, 30], shuffle=index) for index, name in enumerate(("train", "validation", "test"))}
    task = Task("t", "classification", ("a", "b"), splits, "fingerprint", "tests")
    budget = Budget(train_examples=10, eval_examples=12)
    first, other = draw(task, budget, 100), draw(task, budget, seed)
    for split in ("validation", "test"):
        assert first.splits[split]["id"][:] == other.splits[split]["id"][:]
        assert len(other.splits[split]) == 12
    assert first.splits["train"]["id"][:] != other.splits["train"]["id"][:]
    assert len(other.splits["train"]) == 10
    assert (other.name, other.labels, other.fingerprint) == (task.name, task.labels, task.fingerprint)
    assert len(task.splits["train"]) == 60, "the task itself is left alone"
    whole = draw(task, Budget(), seed)
    assert {name: len(rows) for name, rows in whole.splits.items()} == dict.fromkeys(splits, 60)
