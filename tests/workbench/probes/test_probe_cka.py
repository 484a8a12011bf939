"""CKA against the form over features, and what it must not see: rotation, scale, shift, order."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import ortho_group

from adapter_workbench.workbench.answering.hidden_states import HiddenStates
from adapter_workbench.workbench.probes.cka import PROBE, alignment


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(40, 6))
    return features, features @ generator.normal(size=(6, 9)) + generator.normal(size=(40, 9)) + 3


def test_it_is_the_form_over_features(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (features - features.mean(axis=0) for features in pair)
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    assert alignment(*pair) == pytest.approx(np.linalg.norm(y.T @ x) ** 2 / norms, rel=1e-12)


def test_rotation_scale_and_shift_are_not_seen_and_a_stretch_is(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    assert alignment(x, x) == pytest.approx(1, rel=1e-12)
    moved = 7 * x @ ortho_group.rvs(6, random_state=0) - 5
    assert alignment(x, moved) == pytest.approx(1, rel=1e-12)
    assert alignment(moved, y) == pytest.approx(alignment(x, y), rel=1e-12)
    assert alignment(x, x * np.array([10, 1, 1, 1, 1, 1])) < 0.9  # type: ignore[operator]


def test_it_is_the_whole_set_at_once_and_the_examples_belong_together(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    whole = alignment(x, y)
    batches = np.mean([alignment(x[start : start + 8], y[start : start + 8]) for start in range(0, 40, 8)])  # type: ignore[arg-type]
    assert abs(batches - whole) > 0.02  # type: ignore[operator]
    assert alignment(x, y[::-1]) < whole - 0.2  # type: ignore[operator]


def test_only_layers_that_vary_and_only_after_learning() -> None:
    generator = np.random.default_rng(1)
    then, now = generator.normal(size=(2, 3, 12, 4)).astype(np.float32)
    then[0] = now[0] = np.float32(0.1)
    context: Any = SimpleNamespace(learned=HiddenStates(then, then), hidden=HiddenStates(now, now))
    values = PROBE.measure(None, context)  # type: ignore[arg-type]
    assert values.keys() == {"layer-1", "layer-2"}
    assert PROBE.measure(None, SimpleNamespace(learned=None)) == {}  # type: ignore[arg-type]
