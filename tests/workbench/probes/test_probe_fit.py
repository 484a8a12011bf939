"""The logistic regression that three probes share: its objective, its scale, and what cannot be fitted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from adapter_workbench.workbench.probes._fit import STRENGTH, _standardised, fitted_accuracy


def _clouds(count: int, seed: int, d: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    return generator.normal(size=(count, d)) + 0.8 * np.eye(3, d)[labels], labels


def test_it_minimises_the_objective_it_states() -> None:
    train, labels = _clouds(60, 0, 12)
    held, truth = _clouds(1000, 1, 12)
    x, others = _standardised(train, held)

    def objective(flat: np.ndarray) -> float:
        weight, bias = flat[:36].reshape(12, 3), flat[36:]
        logits = x @ weight + bias
        losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(60), labels]
        return float(0.5 * (weight**2).sum() + STRENGTH * losses.sum())

    best = minimize(objective, np.zeros(39), method="BFGS").x
    answers = (others @ best[:36].reshape(12, 3) + best[36:]).argmax(axis=1)
    assert fitted_accuracy(train, labels, held, truth) == pytest.approx(np.mean(answers == truth), abs=0.0021)


def test_features_have_length_one_and_what_does_not_vary_is_left_out() -> None:
    train, _ = _clouds(50, 2)
    constant = np.concatenate([train, np.full((50, 1), 1e5) * (1 + 1e-8 * np.arange(50)[:, None])], axis=1)
    scaled, _ = _standardised(constant, constant)
    assert np.mean((scaled**2).sum(axis=1)) == pytest.approx(1)
    assert not scaled[:, -1].any()


def test_shift_and_scale_of_a_feature_change_nothing() -> None:
    train, labels = _clouds(60, 3)
    held, truth = _clouds(100, 4)
    scale, shift = np.array([1e-3, 1, 10, 1e4, 5, 2]), np.arange(6) * 100.0
    there = fitted_accuracy(train * scale + shift, labels, held * scale + shift, truth)
    assert there == fitted_accuracy(train, labels, held, truth)


def test_one_label_is_the_answer() -> None:
    train, _ = _clouds(10, 5)
    assert fitted_accuracy(train, np.ones(10, dtype=int), train[:4], np.array([1, 1, 1, 0])) == 0.75
