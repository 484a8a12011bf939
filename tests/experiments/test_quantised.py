"""The benchmark of ways to adapt a language model: each is measured beside its prediction, and trained if wanted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.benchmarks.quantised import one


@pytest.mark.parametrize("train", [True, False])
def test_a_way_is_measured_beside_what_is_predicted_for_the_same_batch(
    train: bool, llama: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = {"train_examples": 8, "eval_examples": 4, "validation_examples": 4, "batch_size": 4, "max_length": 40}
    one("lora", "reasoning-gym-word-reversal", str(llama), json.dumps({**budget, "epochs": 1}), train)
    found = json.loads(capsys.readouterr().out)
    assert found["measured"]["texts"] == 4
    assert 0 < found["measured"]["length"] <= 40
    assert found["predicted"]["step_mb"] > 0
    assert ("test" in found, "seconds" in found) == (train, train)
