"""What a person may write wrong of an adapter from elsewhere: one message that says what to do, nothing is changed."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from peft import LoraConfig, TaskType

from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.fuzzing.promises import content
from tests.messages import lacks

TASK = """
description: How somebody feels.
files: {data: moods.csv}
columns: {text: text, label: mood}
labels: [joy, anger, fear]
"""


@pytest.fixture(scope="module")
def emotion(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sent") / "emotion"
    sent_by_peft(bert, folder, LoraConfig(task_type=TaskType.SEQ_CLS, r=2), num_labels=3)
    return folder


def _write_task(name: str, labels: str = "joy, anger, fear", kind: str = "") -> None:
    Path("tasks").mkdir(exist_ok=True)
    text = TASK.replace("joy, anger, fear", labels) + (f"kind: {kind}\n" if kind else "")
    rows = "".join(f"the cat {n},{label.strip()}\n" for n in range(60) for label in labels.split(","))
    Path("tasks", "moods.csv").write_text(f"text,mood\n{rows}", encoding="utf-8")
    Path("tasks", f"{name}.yaml").write_text(text, encoding="utf-8")


MISTAKES = {
    "no such task": (["--task", "fellings"], "--task: there is no task called 'fellings'", "Did you mean feelings"),
    "labels of no task": (["--task", "feelings", "--labels", "joy,anger,rage"], "unknown to the task: rage", "fear"),
    "no labels": (["--task", "feelings"], "does not name its 3 labels", "The labels of feelings are: joy, anger, fear"),
    "too few labels": (["--labels", "a,b"], "its head has 3 labels, and 2 are named: a, b", ""),
    "a comma in a label": (["--labels", "yes, sure,no,perhaps"], "and 4 are named", "in double quotes"),
    "a label twice": (["--labels", "a,b,a"], "'a': a label is named twice", ""),
    "an empty label": (["--labels", "a,,b"], "a label without a name", ""),
    "half a quote": (["--labels", '"a,b,c'], "these labels cannot be read", "double quotes"),
    "a name with a slash": (["--name", "my/adapter"], "'my/adapter' cannot be the beginning of", "letters, digits"),
    "a long name": (["--name", "x" * 300], "a name of more than", ""),
    "another kind": (["--task", "tags"], "answers classification or multilabel or regression, and tags is", ""),
    "no such base model": (["--backbone", "minilmm"], "--backbone: there is no backbone called", "Did you mean minilm"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_an_option_is_one_message(case: str, call: Call, bert: Path, emotion: Path) -> None:
    options, message, hint = MISTAKES[case]
    _write_task("feelings")
    _write_task("tags", kind="token-classification")
    before = content(Path())
    base = [] if "--backbone" in options else ["--backbone", str(bert)]
    code, out, err = call("adapters", "import", str(emotion), *base, *options)
    assert (code, out) == (2, "")
    assert message in err, err
    assert hint in err, err
    assert content(Path()) == before


def _zipped(emotion: Path) -> str:
    with zipfile.ZipFile("sent.zip", "w") as archive:
        archive.write(emotion / "adapter_config.json")
    return "sent.zip"


def _copied(*folders: str) -> Callable[[Path], str]:
    def copy(emotion: Path) -> str:
        for folder in folders:
            shutil.copytree(emotion, Path("run") / folder)
        return "run"

    return copy


def _made(name: str, *files: str) -> Callable[[Path], str]:
    def make(_: Path) -> str:
        Path(name).mkdir()
        for file in files:
            Path(name, file).parent.mkdir(exist_ok=True)
            Path(name, file).write_text("{}", encoding="utf-8")
        return name

    return make


PLACES: dict[str, tuple[Callable[[Path], str], str]] = {
    "a zip": (_zipped, "sent.zip: this is an archive, not a folder\n  Unpack it"),
    "weights": (lambda emotion: str(emotion / "adapter_model.safetensors"), "a file of weights, not a folder"),
    "a config": (lambda emotion: str(emotion / "adapter_config.json"), "this is a file, not a folder"),
    "nothing": (lambda _: "nowhere", "nowhere: there is no such folder\n  A hub id is owner/name"),
    "a pattern": (lambda _: "runs/*", "runs/*: there is no such folder\n  Nothing here has such a name"),
    "a misspelt one": (lambda emotion: f"{emotion}s", "Did you mean {emotion}?"),
    "an empty one": (_made("empty"), "empty: this folder is empty"),
    "data": (_made("data", "dataset_info.json", "data.arrow"), "workbench tasks new NAME --from data"),
    "what a remedy keeps": (_made("state", "ewc/state.json"), "workbench keep --show state"),
    "checkpoints": (_copied("checkpoint-9", "checkpoint-100"), "adapters import run/checkpoint-100"),
    "adapters": (_copied("one", "two"), "there are adapters or models in it: one, two"),
    "a home of nobody": (lambda _: "~nobody-at-all/x", "~nobody-at-all/x: this path cannot be opened"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_that_is_no_adapter_s_is_one_message(case: str, call: Call, bert: Path, emotion: Path) -> None:
    make, message = PLACES[case]
    name = make(emotion)
    before = content(Path())
    code, out, err = call("adapters", "import", name, "--backbone", str(bert), "--labels", "a,b,c")
    assert (code, out) == (2, "")
    assert message.replace("{emotion}", str(emotion)) in err, err
    assert content(Path()) == before


def test_a_home_folder_is_found(
    call: Call, bert: Path, emotion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(emotion.parent))
    code, _, err = call("adapters", "import", "~/emotion", "--backbone", str(bert), "--labels", "a,b,c")
    assert code == 0, err


def test_one_name_is_not_that_of_two(call: Call, bert: Path, emotion: Path) -> None:
    code, _, err = call("adapters", "import", str(emotion), str(emotion), "--name", "x")
    assert code == 2
    assert err.startswith("Error: --name: several adapters"), err


def test_the_name_of_the_folder_is_its_task_s_unless_that_is_another(call: Call, bert: Path, emotion: Path) -> None:
    options = ("--backbone", str(bert), "--labels", "fear,joy,anger")
    code, out, err = call("adapters", "import", str(emotion), *options)
    assert code == 0, err
    assert "for emotion (classification: fear, joy, anger)" in out
    assert "workbench tasks new emotion --from FILE" in out
    _write_task("emotion")
    code, out, err = call("adapters", "import", str(emotion), *options)
    assert code == 0, err
    assert "for emotion (classification: joy, anger, fear)" in out, "the task here has these labels in this order"
    assert "tasks new" not in out
    _write_task("emotion", "good, bad")
    code, _, err = call("adapters", "import", str(emotion), *options)
    assert code == 2
    assert lacks(err, "task called 'emotion'", "other labels: good, bad") == []
    assert "--task emotion. If not, --name" in err
    code, out, err = call("adapters", "import", str(emotion), *options, "--name", "Feelings_of.Ann")
    assert code == 0, err
    assert "for feelings-of-ann (" in out


def test_another_adapter_s_task_of_that_name_is_not_taken_for_it(call: Call, bert: Path, emotion: Path) -> None:
    base = ("--backbone", str(bert))
    assert call("adapters", "import", str(emotion), *base, "--labels", "a,b,c")[0] == 0
    code, _, err = call("adapters", "import", str(emotion), *base, "--labels", "a,b,d")
    assert code == 2
    assert lacks(err, "adapter", "'emotion' with other labels: a, b, c") == []
