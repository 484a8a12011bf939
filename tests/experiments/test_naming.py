"""Commands given the name of a task that several adapters know: which adapter they take, and that they say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapter_workbench.experiments.answers.naming import source_ids
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import Call
from tests.ear import Ear
from tests.messages import lacks
from tests.streams import write_tasks

SETTINGS = {"learning_rate": 0.02, "budget": {"epochs": 1, "batch_size": 16, "max_length": 16, "precision": "fp32"}}


@pytest.fixture(scope="module")
def trained(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A workspace with two seeds of one task, a bottleneck of it, and one LoRA of another task."""
    folder = tmp_path_factory.mktemp("named")
    bench = Workbench(folder / ".workbench", [write_tasks(folder)])
    for task, method, seed in [("animals", "lora", 0), ("animals", "lora", 1), ("animals", "pfeiffer", 0)]:
        learn(bench, task, method, str(bert), seed)
    learn(bench, "halves", "lora", str(bert), 0)
    return bench


def learn(bench: Workbench, task: str, method: str, backbone: str, seed: int) -> None:
    bench.workspace.trained_adapter(bench.lesson(task, method, backbone, seed, **SETTINGS), Silent(), "")


def test_every_command_takes_the_name_of_a_task(
    trained: Workbench, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_HOME", str(trained.workspace.root))
    code, out, err = call("predict", "animals", "the cat", "--json")
    assert code == 0, err
    taken = json.loads(out)[0]["adapter"]
    assert err == f"animals: {taken}, {err.partition(', ')[2]}", "which one, and why, is said on stderr"
    assert "best of 3 adapters" in err
    code, out, err = call("adapters", "show", "animals", "--json")
    assert json.loads(out)["id"] == taken
    code, out, err = call("adapters", "export", "animals.pfeiffer", "out")
    assert (code, (tmp_path / "out" / "manifest.json").is_file()) == (0, True), err
    assert call("adapters", "verify", "halves")[0] == 0

    for name in ("animals", "animals-lora"):
        code, _, err = call("adapters", "remove", name)
        assert (code, "begins" in err) == (2, True), "what is deleted is named in full"
    code, out, err = call("adapters", "list")
    rows = [line.split() for line in out.splitlines()[1:5]]
    assert sorted(row[1:4] for row in rows) == [
        ["animals", "lora", "0"],
        ["animals", "lora", "1"],
        ["animals", "pfeiffer", "0"],
        ["halves", "lora", "0"],
    ]
    code, out, err = call("adapters", "show", rows[1][0], "--json")
    assert str(json.loads(out)["seed"]) == rows[1][3], "the short id of the list is a name too"


def test_the_champion_stands_for_its_task(trained: Workbench) -> None:
    best = trained.chosen("animals.lora")
    other = next(name for name in trained.workspace.adapters.ids() if name.startswith("animals-lora") and name != best)
    trained.release.register(other)
    trained.listener = heard = Ear()
    assert trained.chosen("animals") == other
    assert heard.said == [f"animals: {other}, the champion of animals.lora."]
    assert trained.chosen("animals.lora", champions=False) == best, "so that `register animals` brings a better one"
    trained.listener = Silent()


def test_sources_of_a_fusion_go_together(trained: Workbench) -> None:
    ids = source_ids(trained.workspace, ["animals.pfeiffer", "animals", "halves"], Silent(), (), ("peft",).__contains__)
    assert ids[0].startswith("animals-pfeiffer")
    ids = source_ids(trained.workspace, ["halves", "animals"], Silent(), (), ("peft", "adapters").__contains__)
    assert ids[1].startswith("animals-lora"), "of the library of the first"


@pytest.mark.parametrize(
    ("name", "message"), [("fruits", "workbench train fruits"), ("anymals", "Did you mean animals")]
)
def test_a_task_without_an_adapter_is_told_how_to_get_one(
    trained: Workbench, call: Call, name: str, message: str
) -> None:
    options = ["--workspace", str(trained.workspace.root), "--tasks", str(trained.task_folders[0])]
    code, _, err = call("fuse", "animals", "--from", f"halves,{name}", *options)
    assert (code, message in err) == (2, True), err


def test_an_empty_workspace_is_named(call: Call, tmp_path: Path) -> None:
    code, _, err = call("predict", "animals", "the cat")
    assert code == 2
    assert lacks(err, f"{tmp_path}/.workbench: ", "no adapters") == []
    assert "--workspace" in err
