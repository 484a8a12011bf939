"""Calibration and agreement on cases worked by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapter_workbench.workbench.probes import PROBES
from adapter_workbench.workbench.probes.calibration import calibration_error


def _measure(probe: str, **given: Any) -> dict[str, float]:
    return dict(PROBES.get(probe).measure(None, SimpleNamespace(**given)))  # type: ignore[arg-type]


def _outcomes(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_calibration_by_hand() -> None:
    # bins of 1/15: 0.95 and 0.99 lie in the last (one of two right: |1 − 1.94| = 0.94), 0.55 in the ninth
    # (0.533, 0.6] (right: 0.45) and 0.62 in the tenth (wrong: 0.62); over four answers
    outcomes = _outcomes(confidence=[0.95, 0.99, 0.55, 0.62], correct=[True, False, True, False])
    values = _measure("calibration", outcomes=outcomes)
    assert values["ece"] == pytest.approx((0.94 + 0.45 + 0.62) / 4)
    assert values["overconfidence"] == pytest.approx((0.95 + 0.99 + 0.55 + 0.62) / 4 - 0.5)


def test_a_bin_has_its_upper_edge() -> None:
    # 0.2 = 3/15 is in the third bin with 0.19, so that their gaps meet; 0.21 would not be
    assert calibration_error(np.array([3 / 15, 0.19]), np.array([0, 1])) == pytest.approx((1 - 0.39) / 2)
    assert calibration_error(np.array([0.21, 0.19]), np.array([0, 1])) == pytest.approx((0.21 + 0.81) / 2)


def test_the_ends_of_the_scale_count() -> None:
    assert calibration_error(np.array([0.0, 1.0]), np.array([0, 1])) == 0
    assert calibration_error(np.array([0.0, 1.0 + 1e-7]), np.array([1, 0])) == pytest.approx(1)


def test_answers_without_a_confidence_are_left_out() -> None:
    outcomes = _outcomes(confidence=[np.nan, 0.9], correct=[False, True])
    assert _measure("calibration", outcomes=outcomes)["overconfidence"] == pytest.approx(-0.1)
    assert _measure("calibration", outcomes=outcomes.head(1)) == {}


def test_agreement_by_hand_and_by_id() -> None:
    then = _outcomes(id=list("abcdef"), prediction=[0, 1, 2, 0, 1, 2], correct=[True, True, False, False, False, True])
    now = _outcomes(id=list("abcdef"), prediction=[0, 0, 0, 1, 1, 1], correct=[True, False, False, True, False, False])
    values = _measure("agreement", outcomes=now.iloc[::-1], outcomes_learned=then)
    # a same, b lost, c wrong to wrong, d gained, e same wrong, f lost
    assert values == pytest.approx({"changed": 4 / 6, "lost": 2 / 6, "gained": 1 / 6, "wrong-to-wrong": 1 / 6})
    accuracy = now["correct"].mean() - then["correct"].mean()
    assert values["gained"] - values["lost"] == pytest.approx(accuracy)


def test_free_text_may_be_right_in_other_words() -> None:
    then = _outcomes(id=["a", "b"], prediction=["The cat", "dog"], correct=[True, True])
    now = _outcomes(id=["a", "b"], prediction=["the cat", "dog"], correct=[True, True])
    values = _measure("agreement", outcomes=now, outcomes_learned=then)
    assert values == {"changed": 0.5, "lost": 0.0, "gained": 0.0, "wrong-to-wrong": 0.0}


def test_nothing_to_agree_with_when_the_task_was_just_learned() -> None:
    assert _measure("agreement", outcomes=_outcomes(id=["a"]), outcomes_learned=None) == {}
