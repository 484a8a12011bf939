"""What `workbench update` refuses, that it reads no old rows where it may not, and with what it compares."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call
from tests.messages import lacks, naming

BUDGET = {"epochs": 2, "batch_size": 8, "max_length": 16, "precision": "fp32"}
LABELS = {"animal": SUBJECTS, "fruit": FRUITS}


def rows(first: int = 0, times: int = 8) -> pd.DataFrame:
    """Return rows in which the noun says everything; with another ``first`` they are others."""
    numbers = range(first, first + times * 8)
    texts = [(f"{FILLERS[n % len(FILLERS)]} {LABELS[label][n % 8]} {n}", label) for n in numbers for label in LABELS]
    return pd.DataFrame(texts, columns=["text", "label"])


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    """A folder with three tasks of the same rows, and adapters of two of them; one is a champion."""
    folder = tmp_path_factory.mktemp("begun")
    (folder / "tasks").mkdir()
    rows().to_csv(folder / "tasks/nouns.csv", index=False)
    text = "description: Nouns.\nfiles: {data: nouns.csv}\ncolumns: {text: text, label: label}\n"
    for name in ("nouns", "things", "bare"):
        (folder / f"tasks/{name}.yaml").write_text(text, encoding="utf-8")
    bench = Workbench(folder / ".workbench", [folder / "tasks"])
    for name in ("nouns", "things"):
        adapter = bench.train(bench.lesson(name, "lora", str(bert), learning_rate=0.02, budget=BUDGET)).adapter
    bench.release.register(bench.chosen("nouns"))
    assert adapter.manifest.task.name == "things"
    return folder


@pytest.fixture
def bench(begun: Path, tmp_path: Path, call: Call) -> Workbench:
    """A copy of it, in which commands run."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    return Workbench(tmp_path / ".workbench", [tmp_path / "tasks"])


def more(call: Call, task: str, *options: str) -> None:
    """Make the next version of a task."""
    rows(first=1000, times=2).to_csv("more.csv", index=False)
    code, _, err = call("tasks", "update", task, "--from", "more.csv", *options)
    assert code == 0, err


def test_what_cannot_be_updated_is_refused_with_what_to_do(bench: Workbench, call: Call) -> None:
    def refused(task: str, *options: str) -> str:
        code, out, err = call("update", task, *options)
        assert (code, out, "Traceback" in err) == (2, "", False), err
        return " ".join(err.split())

    before = sorted(path.relative_to(bench.workspace.root) for path in bench.workspace.root.rglob("*"))
    assert "there is no task called 'noun'" in refused("noun")
    message = refused("nouns")
    assert "one version" in message
    assert "workbench tasks update nouns --from FILE" in message
    assert "workbench update nouns" in refused("nouns@1")
    for name in ("nouns", "things", "bare"):
        more(call, name)
    message = refused("things")
    assert "'things' has no champion to update" in message
    assert f"workbench adapters register {bench.chosen('things')}" in message
    assert "there is no adapter for the task 'bare' yet" in refused("bare")
    assert "no way called 'contineu'" in refused("nouns", "--how", "contineu")
    assert "way.memory" in refused("nouns", "--how", "continue", "--set", "way.memory=3")
    assert "replay reads training rows of nouns@1" in refused("nouns", "--how", "replay", "--forget-rows")
    assert "another rank" in refused("nouns", "--how", "continue", "--set", "rank=4")
    ewc = ("--how", "anchor", "--set", "way.penalty=ewc", "--forget-rows")
    assert "anchor reads training rows" in refused("nouns", *ewc)
    after = sorted(path.relative_to(bench.workspace.root) for path in bench.workspace.root.rglob("*"))
    assert after == before, "nothing was written"


def test_a_champion_of_the_newest_version_or_of_other_data_is_refused(bench: Workbench, call: Call) -> None:
    more(call, "nouns")
    more(call, "things")
    bench.release.register(bench.chosen("things"))
    plan = bench.update_plan("nouns", "continue")
    bench.workspace.trained_adapter(plan.lesson, Silent(), "update")
    bench.release.register(plan.lesson.adapter_id)
    if bench.chosen("nouns") != plan.lesson.adapter_id:
        bench.release.promote("nouns", plan.lesson.adapter_id, accepted=True)
    newest = naming("nouns@2 already, the newest version", "workbench tasks update nouns --from FILE")
    with pytest.raises(InputError, match=newest):
        bench.update_plan("nouns")
    shutil.rmtree(bench.task_folders[0] / "things.versions/1")
    rows(first=2000, times=2).to_csv("more.csv", index=False)
    assert call("tasks", "update", "things", "--from", "more.csv")[0] == 0
    with pytest.raises(InputError, match=naming("data that are no version of 'things'", "workbench add things")):
        bench.update_plan("things")


def test_an_imported_champion_is_refused_before_anything_is_trained(bench: Workbench, bert: Path, call: Call) -> None:
    """Of what was imported no score on other rows counts, so the new adapter could never pass the check against it."""
    sent = bench.exchange.export(bench.chosen("nouns"), Path("sent"))
    there = ("--workspace", "there")
    commands = (
        ("adapters", "import", str(sent), "--backbone", str(bert)),
        ("adapters", "register", bench.chosen("nouns")),
        ("adapters", "promote", "nouns.lora", "--to", "1"),
    )
    for command in commands:
        code, _, err = call(*command, *there)
        assert code == 0, err
    more(call, "nouns")
    code, out, err = call("update", "nouns", *there)
    asked = (
        "came from elsewhere",
        "workbench train nouns --method lora",
        "workbench adapters promote nouns.lora --to ID",
    )
    assert (code, out, lacks(err, *asked)) == (2, "", []), err
    assert Workbench(Path("there"), bench.task_folders).workspace.adapters.ids() == [bench.chosen("nouns")]


def test_forgotten_rows_are_not_read(bench: Workbench, call: Call) -> None:
    """The file of the old training rows is gone, and the version without them can still be learned."""
    more(call, "nouns", "--replace")
    (bench.task_folders[0] / "nouns.versions/1/train.parquet").unlink()
    with pytest.raises(InputError, match=naming("are gone", "nouns.versions/1", "update nouns --forget-rows")):
        bench.update_plan("nouns", "continue")
    code, out, err = call("update", "nouns", "--forget-rows", "--accept-loss", "--json")
    assert code == 0, err
    document = json.loads(out)
    assert (document["way"], document["forget_rows"]) == ("continue", True)
    train = pd.read_parquet(bench.task_folders[0] / "nouns.versions/2/train.parquet")
    assert document["new_rows"] == len(train) > 0


def test_old_rows_that_are_in_the_newest_version_are_not_taken_for_new_ones(bench: Workbench, call: Call) -> None:
    more(call, "nouns")
    (bench.task_folders[0] / "nouns.versions/1/train.parquet").unlink()
    code, _, err = call("update", "nouns", "--forget-rows")
    assert (code, lacks(err, "nouns@2 has training rows of nouns@1", "file is gone", "--replace")) == (2, [])


def test_why_a_champion_could_not_be_scored_is_said(bench: Workbench, call: Call) -> None:
    champion = bench.chosen("nouns")
    more(call, "nouns")
    plan = bench.update_plan("nouns", "continue")
    candidate = bench.workspace.trained_adapter(plan.lesson, Silent(), "update")
    weights = bench.workspace.adapters.get(champion).folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    decision = bench.release.register(candidate.id).decision
    assert lacks(decision, "not compared", "adapter_model.safetensors has changed", champion) == []


def test_a_champion_of_other_labels_is_compared_under_what_they_are_now(bench: Workbench, call: Call) -> None:
    """Its head's rows follow their labels: renamed crosswise it answers as before, and a new label is never given."""
    champion = bench.workspace.adapters.get(bench.chosen("nouns"))
    chairs = pd.DataFrame([(f"chair {number}", "chair") for number in range(40)], columns=["text", "label"])
    chairs.to_csv("chairs.csv", index=False)
    changes = "add: [chair]\nrename: {animal: fruit, fruit: animal}\n"
    Path("labels.yaml").write_text(changes, encoding="utf-8")
    assert call("tasks", "update", "nouns", "--from", "chairs.csv", "--labels", "labels.yaml")[0] == 0
    plan = bench.update_plan("nouns", "continue")
    candidate = bench.workspace.trained_adapter(plan.lesson, Silent(), "update")
    registered = bench.release.register(candidate.id)
    labels = pd.read_parquet(bench.task_folders[0] / "nouns.versions/2/validation.parquet")["label"]
    own, known = champion.manifest.own_fit, (labels != "chair").sum()
    assert own.validation_examples == known < len(labels)
    told = registered.decision.partition(": ")[2]
    assert told.startswith(f"on {known} validation rows whose label both know, version 2 has ")
    assert f"version 1 {100 * own.validation:.1f} %" in told, "right where it was right; rows of chairs do not count"


def test_the_parts_of_a_split_label_are_no_answers_of_the_champion_in_the_check_either(
    bench: Workbench, call: Call
) -> None:
    """The check reads the champion as the report beside it does: where a label stayed, and not on its parts."""
    champion = bench.workspace.adapters.get(bench.chosen("nouns"))
    animals = rows().query("label == 'animal'").reset_index(drop=True)
    animals["label"] = ["cat" if number % 2 else "dog" for number in animals.index]
    animals.to_csv("parts.csv", index=False)
    Path("labels.yaml").write_text("split: {animal: [cat, dog]}\n", encoding="utf-8")
    assert call("tasks", "update", "nouns", "--from", "parts.csv", "--labels", "labels.yaml")[0] == 0
    code, out, err = call("update", "nouns", "--accept-loss", "--max-flips", "100", "--json")
    assert code == 0, err
    document = json.loads(out)
    check = next(check for check in document["report"]["gate"]["bounds"] if check["what"] == "not below the champion")
    validation = pd.read_parquet(bench.task_folders[0] / "nouns.versions/2/validation.parquet")
    validation[["text"]].to_csv("asked.csv", index=False)
    answers = json.loads(call("predict", champion.id, "--file", "asked.csv", "--json")[1])
    fruits = validation["label"] == "fruit"
    right = [text["label"] == "fruit" for text, fruit in zip(answers, fruits, strict=True) if fruit]
    own = json.loads(call("predict", document["adapter"], "--file", "asked.csv", "--json")[1])
    own_right = [text["label"] == "fruit" for text, fruit in zip(own, fruits, strict=True) if fruit]
    assert f"on {len(right)} validation rows" in check["note"], "the rows of cats and dogs are not compared"
    assert check["found"] == pytest.approx(100 * (sum(own_right) - sum(right)) / len(right))
