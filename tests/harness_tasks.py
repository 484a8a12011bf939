"""Task files for EleutherAI's harness, with rows that tests write: nothing is fetched."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import FILLERS, FRUITS, SUBJECTS

ROWS = 24
MEAN = {"aggregation": "mean", "higher_is_better": True}


def choices_config() -> dict[str, Any]:
    """Return a task with four choices in words of the tiny models."""
    return {
        "task": "which_animal",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "rows.jsonl", "train": "shown.jsonl"}},
        "test_split": "test",
        "fewshot_split": "train",
        "output_type": "multiple_choice",
        "doc_to_text": "the {{text}}",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": name, **MEAN} for name in ("acc", "acc_norm")],
    }


def words_config() -> dict[str, Any]:
    """Return a task on the same rows that is answered in words."""
    own = {
        "task": "which_animal_in_words",
        "output_type": "generate_until",
        "doc_to_target": "{{choices[gold]}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 3, "do_sample": False},
        "metric_list": [{"metric": "exact_match", **MEAN}],
    }
    return {**{name: value for name, value in choices_config().items() if name != "doc_to_choice"}, **own}


def write_task(folder: Path, config: dict[str, Any]) -> Path:
    """Write a task file and its rows, and return its path."""
    generator = random.Random("rows")
    for name, count in (("rows.jsonl", ROWS), ("shown.jsonl", 8)):
        rows = []
        for _ in range(count):
            named = generator.sample(SUBJECTS + FRUITS, 4)
            text = " ".join(generator.choices(FILLERS + SUBJECTS, k=generator.randint(2, 6)))
            rows.append({"text": text, "choices": named, "gold": generator.randrange(4)})
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / f"{config['task']}.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def write_choices(folder: Path) -> Path:
    """Write the task with choices and its rows, and return its path."""
    return write_task(folder, choices_config())
