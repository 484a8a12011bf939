"""`workbench update`: from the champion of an earlier version of a task to an adapter of the newest."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.api import Workbench
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

RATE = "learning_rate=0.02"
SETTINGS = [RATE, "budget.epochs=2", "budget.batch_size=8", "budget.max_length=16", "budget.precision=fp32"]
SET = [part for setting in SETTINGS for part in ("--set", setting)]
FURNITURE = "chair table lamp shelf sofa stool desk bench".split()
LABELS = {"animal": SUBJECTS, "fruit": FRUITS, "furniture": FURNITURE}


def rows(*labels: str, first: int = 0, times: int = 12) -> pd.DataFrame:
    """Return rows in which the noun says everything; with another ``first`` they are others."""
    numbers = range(first, first + times * 8)
    texts = [(f"{FILLERS[n % len(FILLERS)]} {LABELS[label][n % 8]} {n}", label) for n in numbers for label in labels]
    return pd.DataFrame(texts, columns=["text", "label"])


@pytest.fixture
def bench(tmp_path: Path, call: Call, bert: Path) -> Workbench:
    """The folder that commands run in: a task with two versions, and a champion of the first."""
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows("animal", "fruit").to_csv(folder / "nouns.csv", index=False)
    text = "description: Nouns.\nfiles: {data: nouns.csv}\ncolumns: {text: text, label: label}\n"
    (folder / "nouns.yaml").write_text(text, encoding="utf-8")
    code, _, err = call("add", "nouns", "--backbone", str(bert), *SET)
    assert code == 0, err
    rows("animal", "fruit", first=1000, times=2).to_csv("more.csv", index=False)
    code, _, err = call("tasks", "update", "nouns", "--from", "more.csv")
    assert code == 0, err
    return Workbench(tmp_path / ".workbench", [folder])


def test_champion_goes_on_and_the_next_version_is_registered(bench: Workbench, call: Call) -> None:
    champion, plan = bench.chosen("nouns"), bench.update_plan("nouns", "continue")
    code, out, err = call("update", "nouns", "--how", "continue", "--margin", "100", "--json")
    assert code == 0, err
    document = json.loads(out)
    facts = [document[name] for name in ("task", "from", "to", "champion", "way")]
    assert facts == ["nouns", 1, 2, champion, "continue"]
    assert document["registered"]["version"] == "2"
    manifest = bench.workspace.adapters.get(document["adapter"]).manifest
    assert manifest.parents == (champion,)
    assert manifest.update is not None
    assert (manifest.update.way, manifest.update.champion) == ("continue", champion)
    task = plan.lesson.task
    assert len(plan.lesson.new_rows) < len(task.splits["train"]) / 2
    assert manifest.own_fit.steps == plan.lesson.budget.updates(len(task.splits["train"])), "as many as anew takes"
    adapters = bench.workspace.adapters.ids()
    code, out, err = call("update", "nouns", "--how", "continue", "--margin", "100", "--json")
    assert (code, bench.workspace.adapters.ids()) == (
        (0, adapters) if document["answering"] == champion else (2, adapters)
    )


def test_anew_is_what_train_gives(bench: Workbench, call: Call, bert: Path) -> None:
    plan = bench.update_plan("nouns", "anew")
    lesson = bench.lesson_from("nouns", "lora", str(bert), 0, SETTINGS)
    assert (plan.lesson.key, plan.lesson.adapter_id) == (lesson.key, lesson.adapter_id)
    assert bench.update_plan("nouns", "continue").lesson.key != lesson.key
