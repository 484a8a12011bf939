"""Temperatures: what makes the confidence of one adapter comparable with that of another."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adapter_workbench.fusion.routing.routers import ROUTERS
from adapter_workbench.fusion.routing.temperature import temperature


@pytest.mark.parametrize(("right", "size"), [(15, 2), (20, 2), (17, 3)])
def test_equal_margins_come_to_the_smoothed_accuracy(right: int, size: int) -> None:
    """Closed form: softmax(z ÷ T) of (m, 0, …) is p = (right + 1) ÷ (n + k): T = m ÷ ln(p (k − 1) ÷ (1 − p))."""
    margin, count = 3.0, 20
    logits = np.zeros((count, size), dtype=np.float32)
    logits[:, 0] = margin
    labels = np.array([0] * right + [1 + index % (size - 1) for index in range(count - right)])
    probability = (right + 1) / (count + size)
    expected = margin / math.log(probability * (size - 1) / (1 - probability))
    assert temperature(logits, labels) == pytest.approx(expected, rel=1e-3)


def test_an_adapter_that_is_louder_gets_a_temperature_as_much_higher() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 50)
    logits = (generator.standard_normal((50, 3)) + 2 * np.eye(3)[labels]).astype(np.float32)
    assert temperature(5 * logits, labels) == pytest.approx(5 * temperature(logits, labels), rel=1e-3)


def test_what_is_stored_without_temperatures_keeps_its_keys() -> None:
    card = ROUTERS.get("learned")
    plain = card.settings(asked=3)
    assert card.settings().model_dump().keys() == plain.model_dump().keys()
    assert "calibrated" not in plain.model_dump()
    assert card.settings(calibrated=True).model_dump() == card.settings().model_dump(), "one adapter alone is compared"
    settings = card.settings(asked=3, calibrated=True)
    assert settings.model_dump() == {**plain.model_dump(), "calibrated": True}
    assert card.settings.model_validate(settings.model_dump()) == settings
