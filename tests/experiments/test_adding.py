"""`workbench add`: a task is answered by the new adapter where all bounds hold, and as before where one is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.api import Workbench
from tests.conftest import Call
from tests.streams import write_tasks

SETTINGS = [
    *("--set", "learning_rate=0.02", "--set", "budget.epochs=2", "--set", "budget.batch_size=16"),
    *("--set", "budget.max_length=16", "--set", "budget.precision=fp32", "--max-leakage", "5"),
]


@pytest.fixture
def bench(tmp_path: Path, call: Call) -> Workbench:
    """The folder that commands run in, with tasks."""
    return Workbench(tmp_path / ".workbench", [write_tasks(tmp_path)])


def test_what_holds_is_registered_and_what_is_below_the_bounds_is_not(bench: Workbench, bert: Path, call: Call) -> None:
    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS)
    assert code == 0, err
    assert "Registered as animals.lora version 1" in out
    assert "rows of test" in out
    assert "other adapters" not in out, "there are none"
    assert "workbench adapters rollback" not in out, "there is no champion before"
    first = bench.chosen("animals")

    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS, "--seed", "1", "--min-score", "100")
    assert code == 3
    assert "Registered" not in out
    assert "validation accuracy" in err
    assert "`workbench adapters remove animals-lora-" in err
    assert "Until then" not in err, "another one answers"
    assert len(bench.workspace.adapters.ids()) == 2, "the adapter is kept, and can be looked at"
    assert bench.chosen("animals") == first, "the task is answered as before"
    code, out, err = call("add", "fruits", "--backbone", str(bert), *SETTINGS, "--min-score", "100")
    assert code == 3
    assert "'fruits' means this adapter: the task has no champion" in err

    before = {*bench.workspace.adapters.ids()}
    hardly = ("--set", "learning_rate=1e-7", "--margin", "100")
    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS, *hardly)
    (second,) = {*bench.workspace.adapters.ids()} - before
    refused = " ".join(err.split())
    assert (code, "Registered" in out, bench.chosen("animals")) == (3, False, first), "whatever the margin is"
    assert f"{first} stays champion: called lower on test rows: label first −100.0 points" in refused
    assert "The same command with --accept-loss makes it the champion" in refused
    assert bench.workspace.adapters.get(second).manifest.accepted == ()
    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS, *hardly, "--accept-loss")
    assert (code, "accepted with --accept-loss" in " ".join(out.split()), bench.chosen("animals")) == (0, True, second)
    (accepted,) = bench.workspace.adapters.verify(second).manifest.accepted
    assert (accepted.champion, "label first −100.0 points" in accepted.loss) == (first, True)
    assert call("add", "animals", "--backbone", str(bert), *SETTINGS, *hardly, "--accept-loss")[0] == 0
    assert len(bench.workspace.adapters.get(second).manifest.accepted) == 1, "the same command again adds nothing"
    code, out, err = call("adapters", "rollback", "animals")
    assert (code, bench.chosen("animals")) == (0, first)
    assert "As compared when version 2 followed version 1: on 16 validation rows" in " ".join(out.split())

    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS, "--json")
    document = json.loads(out)
    assert (code, document["adapter"], document["gate"]["passed"]) == (0, first, True), err
    bounds = ["--min-macro-f1", "100", "--min-worst-label", "99", "--seed", "1"]
    code, out, err = call("add", "animals", "--backbone", str(bert), *SETTINGS, *bounds)
    assert (code, "validation macro F1" in err, "validation F1 of the worst label" in err) == (3, True, True)
    registered = document["registered"]
    assert (registered["name"], registered["version"]) == ("animals.lora", "1"), "the same command again adds nothing"
    assert registered["champion"]
    assert registered["decision"]
    assert document["answering"] == first
    others = [check for check in document["gate"]["bounds"] if check["what"] == "other adapters as they were"]
    assert [check["found"] for check in others] == [100.0]


def test_leaking_data_are_refused_before_anything_is_trained(bench: Workbench, bert: Path, call: Call) -> None:
    folder = bench.task_folders[0]
    rows = [(f"text {number} of {label}", label) for number in range(20) for label in ("a", "b")]
    for split, part in {
        "train": rows,
        "validation": [*rows[:2], ("new", "a"), ("newer", "b")],
        "test": rows[:4],
    }.items():
        pd.DataFrame(part, columns=["text", "label"]).to_csv(folder / f"leaky-{split}.csv", index=False)
    splits = ", ".join(f"{split}: leaky-{split}.csv" for split in ("train", "validation", "test"))
    (folder / "leaky.yaml").write_text(
        f"description: Leaks.\nfiles: {{{splits}}}\ncolumns: {{text: text, label: label}}\n", encoding="utf-8"
    )
    code, out, err = call("add", "leaky", "--backbone", str(bert), *SETTINGS, "--json")
    document = json.loads(out)
    assert (code, document["adapter"], document["registered"]) == (3, None, None), err
    measured = {check["what"]: check["found"] for check in document["gate"]["bounds"]}
    assert measured["rows of validation that stand in train"] == 50.0
    assert bench.workspace.adapters.ids() == []


def test_a_damaged_adapter_stops_the_next_one(bench: Workbench, bert: Path, call: Call) -> None:
    assert call("add", "animals", "--backbone", str(bert), *SETTINGS)[0] == 0
    stored = bench.workspace.adapters.get(bench.chosen("animals"))
    weights = next(stored.folder.rglob("adapter_model.safetensors"))
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    code, out, err = call("add", "fruits", "--backbone", str(bert), *SETTINGS)
    assert code == 3
    assert stored.id in err, "it is named"
    assert "Registered" not in out
