"""Replay outside of a stream: the rows that a stream learns from, and weights as it comes to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from adapter_workbench import with_replay
from adapter_workbench.experiments.strategies import STRATEGIES, _memory
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, SettingsError
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, gap, peft_model, train, two_tasks


def numbers(first: int, count: int) -> Dataset:
    return Dataset.from_dict({"number": [*range(first, first + count)]})


@pytest.mark.parametrize(("share", "kept", "expected"), [(0.5, 8, 8), (0.2, 8, 2), (0.8, 8, 32), (0.01, 8, 1)])
def test_the_share_is_that_of_all_rows(share: float, kept: int, expected: int) -> None:
    mixed = with_replay(numbers(100, 8), numbers(0, kept), share)["number"][:]
    old = [number for number in mixed if number < 100]
    assert len(old) == expected
    assert mixed[len(old) :] == [*range(100, 108)]
    assert max(map(old.count, old)) == -(-expected // kept), "each comes as often as the others, or once more"
    assert with_replay(numbers(100, 8), numbers(0, kept), share)["number"][:] == mixed


@pytest.mark.parametrize(
    ("kept", "share", "message", "error"),
    [
        (numbers(0, 8), 1.0, "between 0 and 1", SettingsError),
        (numbers(0, 0), 0.5, "no rows", InputError),
        (Dataset.from_dict({"text": ["a"]}), 0.5, "different columns: number, text", InputError),
        (Dataset.from_dict({"number": ["a"]}), 0.5, "cannot be put together", InputError),
        (numbers(0, 8).to_iterable_dataset(), 0.5, "have none", InputError),
    ],
)
def test_what_cannot_be_mixed(kept: Any, share: float, message: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=message):
        with_replay(numbers(100, 8), kept, share)


def test_a_trainer_on_such_rows_comes_to_the_weights_of_a_stream(llama: Path, tmp_path: Path) -> None:
    tasks, adaptation = two_tasks(), adapted("lora", open_backbone(str(llama)), dropout=0.2)
    strategy = STRATEGIES.get("replay")
    settings = strategy.settings(memory=24, policy="reservoir")
    context = context_for(adaptation, BUDGET, tasks, tmp_path / "ws", settings)
    first, second = walk(strategy, context, tmp_path / "stream")
    model, memory = peft_model(llama, context), _memory.recall(first.existing)
    assert memory is not None
    train(model, tasks[0], context, tmp_path / "first", [])
    assert gap(model, first.existing) == 0
    new = tasks[1].splits["train"]
    rows = with_replay(new, memory.select_columns(new.column_names), 24 / (24 + len(new)))
    mixed = replace(tasks[1], splits={**tasks[1].splits, "train": rows})
    train(model, mixed, context, tmp_path / "second", [])
    assert gap(model, second.existing) == 0
