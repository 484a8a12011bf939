from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter_workbench.tasks.rows.cutting import cut, text_keys

AMOUNTS = {"test": 0.2, "validation": 0.1}


def frame(texts: list[str], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"id": [str(n) for n in range(len(texts))], "text": texts, "label": labels})


rows = st.lists(st.tuples(st.sampled_from(["a", " A", "b  c", "B c", *"defghijklm"]), st.integers(0, 2)), min_size=1)


@settings(deadline=None, max_examples=60)
@given(rows, st.integers(0, 3), st.booleans())
def test_every_row_once_and_equal_texts_together(drawn: list[tuple[str, int]], seed: int, stratified: bool) -> None:
    data = frame([text for text, _ in drawn], [label for _, label in drawn])
    parts = cut(data, AMOUNTS, seed=seed, stratified=stratified)
    assert sorted(int(row_id) for part in parts.values() for row_id in part["id"]) == list(range(len(data)))
    keys = [set(text_keys(part)) for part in parts.values()]
    assert sum(map(len, keys)) == len(set.union(*keys))
    assert len(parts["train"])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 3), min_size=4, max_size=200), st.integers(0, 3))
def test_stratified_to_a_row_and_exact_in_total(labels: list[int], seed: int) -> None:
    data = frame([f"t{n}" for n in range(len(labels))], labels)
    parts = cut(data, AMOUNTS, seed=seed)
    counts = data["label"].value_counts()
    for split, share in AMOUNTS.items():
        in_split = parts[split]["label"].value_counts()
        for label, count in counts.items():
            assert abs(in_split.get(label, 0) - share * count) <= 1.5  # two roundings of at most ½, and a last row kept
    assert set(parts["train"]["label"]) == set(labels)


@settings(deadline=None, max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(random) -> None:
    labels = [n % 3 for n in range(60)]
    data = frame([f"t{n}" for n in range(60)], labels)
    shuffled = data.sample(frac=1, random_state=random.randint(0, 99))
    for split, part in cut(data, AMOUNTS, seed=0).items():
        assert set(cut(shuffled, AMOUNTS, seed=0)[split]["id"]) == set(part["id"])


def test_the_sizes_are_those_asked_for() -> None:
    data = frame([f"t{n}" for n in range(1000)], [n % 7 for n in range(1000)])
    assert {split: len(part) for split, part in cut(data, AMOUNTS, seed=0).items()} == {
        "train": 700,
        "test": 200,
        "validation": 100,
    }
    assert len(cut(data, {"validation": 37}, seed=0)["validation"]) == 37
    assert len(cut(data, {"validation": 37}, seed=0, stratified=False)["validation"]) == 37
    assert set(cut(data, AMOUNTS, seed=0)["test"]["id"]) != set(cut(data, AMOUNTS, seed=1)["test"]["id"])


def test_a_text_that_is_most_of_a_class_stays_in_train() -> None:
    data = frame(["same"] * 50 + [f"t{n}" for n in range(50)], [0] * 100)
    parts = cut(data, AMOUNTS, seed=0)
    assert {split: len(part) for split, part in parts.items()} == {"train": 70, "test": 20, "validation": 10}
    assert (parts["train"]["text"] == "same").sum() == 50


@pytest.mark.parametrize(("other", "same"), [("  A\tB ", True), ("a  b", True), ("ab", False), ("STRASSE", False)])
def test_what_is_the_same_text(other: str, same: bool) -> None:
    keys = text_keys(pd.DataFrame({"text": ["a b", other]}))
    assert (keys[0] == keys[1]) is same


def test_pairs_are_the_same_where_both_texts_are() -> None:
    keys = text_keys(pd.DataFrame({"text": ["a", "A", "a b"], "text_pair": ["b c", "B  C", "c"]}))
    assert keys[0] == keys[1] != keys[2]
