"""A-GEM in anybody's Trainer: the weights of a stream, and rows that are kept as they were tokenized."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
from datasets import Dataset

from adapter_workbench import AGEM
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError, IntegrityError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import classifier, trained
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, STATE, gap, peft_model, train, two_tasks

MEMORY = 24


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    accumulated: int, llama: Path, tmp_path: Path
) -> None:
    """To the last bit, where a step is one pass."""
    strategy, tasks = STRATEGIES.get("a-gem"), two_tasks()
    settings = strategy.settings(memory=MEMORY, policy="reservoir")
    budget = BUDGET.model_copy(update={"gradient_accumulation": accumulated})
    adaptation = adapted("lora", open_backbone(str(llama)), dropout=0.2)
    context = context_for(adaptation, budget, tasks, tmp_path / "ws", settings)
    first, second = walk(strategy, context, tmp_path / "stream")
    most = 0.0 if accumulated == 1 else 1e-6

    model, kept = peft_model(llama, context), tmp_path / "first"
    train(model, tasks[0], context, kept, [AGEM(memory=MEMORY)])
    assert gap(model, first.existing) <= most
    alone = deepcopy(model)
    train(model, tasks[1], context, tmp_path / "second", [AGEM(kept / STATE, memory=MEMORY)])
    assert gap(model, second.existing) <= most
    train(alone, tasks[1], context, tmp_path / "alone", [])
    assert gap(alone, second.existing) > 1e-3, "or nothing shows that something is projected"

    state = read_state(tmp_path / "second" / STATE, "a-gem")
    assert (len(state.rows), state.seen) == (MEMORY, sum(len(task.splits["train"]) for task in tasks))


def test_rows_are_kept_as_they_are_and_no_others_are_taken(bert: Path, tmp_path: Path) -> None:
    trainer = trained(bert, tmp_path / "out", [AGEM(memory=5)])
    rows = read_state(tmp_path / "out" / STATE, "a-gem").rows
    dataset: Dataset = trainer.train_dataset
    assert len(rows) == 5
    assert all(row in dataset.to_list() for row in rows)
    file = tmp_path / "out" / STATE / "a-gem" / "rows.parquet"
    Dataset.from_list([{"input_ids": [1], "labels": 0}]).to_parquet(file)
    with pytest.raises(IntegrityError, match="has changed"):
        AGEM(tmp_path / "out" / STATE)


def test_rows_of_other_columns_are_refused_before_the_training(bert: Path, llama: Path, tmp_path: Path) -> None:
    trained(bert, tmp_path / "out", [AGEM(memory=5)])
    begun = AGEM(tmp_path / "out" / STATE)
    begun._given.rows[0].pop("attention_mask")  # type: ignore[union-attr]  # as if it had not been tokenized to
    with pytest.raises(InputError, match="rows here have attention_mask"):
        trained(bert, tmp_path / "second", [begun], model=classifier(bert))
