"""Nearest class mean against scikit-learn's NearestCentroid, nearest neighbours against a loop by hand."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from sklearn.neighbors import NearestCentroid

from adapter_workbench.workbench.answering.hidden_states import HiddenStates
from adapter_workbench.workbench.probes.knn import PROBE


def _context(train: np.ndarray, labels: list[int], held: np.ndarray, truth: list[int]) -> Any:
    noise = np.zeros_like
    hidden = HiddenStates(np.stack([noise(train), train]), np.stack([noise(held), held]))  # only the last layer counts
    splits = {"train": Dataset.from_dict({"label": labels}), "validation": Dataset.from_dict({"label": truth})}
    return SimpleNamespace(hidden=hidden, task=SimpleNamespace(splits=splits))


def _by_hand(train: np.ndarray, labels: list[int], held: np.ndarray, count: int) -> list[int]:
    answers = []
    for row in held:
        cosine = [row @ other / np.linalg.norm(row) / np.linalg.norm(other) for other in train]
        near = [labels[index] for index in np.argsort(cosine)[::-1][:count]]
        most = Counter(near)
        answers.append(min(label for label in most if most[label] == max(most.values())))
    return answers


def test_both_classifiers() -> None:
    generator = np.random.default_rng(0)
    labels, truth = [index % 4 for index in range(40)], [index % 4 for index in range(60)]
    centres = generator.normal(size=(4, 8))
    train, held = (centres[classes] + generator.normal(size=(len(classes), 8)) for classes in (labels, truth))
    scores = PROBE.measure(None, _context(train, labels, held, truth))  # type: ignore[arg-type]
    assert scores["prototype"] == NearestCentroid().fit(train, labels).score(held, truth)
    assert scores["knn"] == np.mean(np.array(_by_hand(train, labels, held, 5)) == truth)
    assert 0.3 < scores["knn"] < 1, "a case that tells something"


def test_fewer_training_examples_than_neighbours() -> None:
    train, held = np.array([[1.0, 0], [0, 1.0], [0.1, 1.0]]), np.array([[1.0, 0.2], [0.0, 1.0]])
    assert PROBE.measure(None, _context(train, [0, 1, 1], held, [0, 1])) == {"prototype": 1.0, "knn": 0.5}  # type: ignore[arg-type]


def test_free_answers_are_refused() -> None:
    assert "no labels" in str(PROBE.objection(None, "causal-lm"))  # type: ignore[arg-type]


@pytest.mark.parametrize("labels", [[2, 2, 5], [5, 2, 2]])
def test_labels_need_not_be_consecutive(labels: list[int]) -> None:
    train = np.array([[float(label), 1.0] for label in labels])
    scores = PROBE.measure(None, _context(train, labels, train, labels))  # type: ignore[arg-type]
    assert scores["prototype"] == 1.0
