"""What the folder of an adapter from elsewhere does not say, and data here tell: its base model, by its weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from peft import LoraConfig, TaskType

from adapter_workbench.workbench.backbone import pretrained
from adapter_workbench.workbench.backbone.fingerprints import of_files
from adapter_workbench.workbench.backbone.names import open_backbone, registered_here
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft

QUERY = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"])
VALUE = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["value"])
LABELS = ("--labels", "a,b,c")


@pytest.fixture
def sent(bert: Path, tmp_path: Path) -> list[Path]:
    """Two LoRAs; their configs name a copy of the base model in another folder."""
    shutil.copytree(bert, tmp_path / "their-base")
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder, config in zip(folders, (QUERY, VALUE), strict=True):
        sent_by_peft(bert, folder, config, num_labels=3)
        name_base(folder, str(tmp_path / "their-base"))
    return folders


def name_base(folder: Path, base: str) -> None:
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"base_model_name_or_path": base}), encoding="utf-8")


def test_a_base_that_adapters_here_have_is_recognised_by_its_weights(
    sent: list[Path], bert: Path, tmp_path: Path, call: Call
) -> None:
    first, second = map(str, sent)
    code, _, err = call("adapters", "import", second, *LABELS)
    assert code == 2, "nothing is known here yet"
    assert "the base model is not known here" in err
    assert call("adapters", "import", first, "--backbone", str(bert), *LABELS)[0] == 0
    code, out, err = call("adapters", "import", second, *LABELS)
    assert code == 0, err
    assert f"Its base model is {bert}: {tmp_path / 'their-base'} has the same weights." in " ".join(out.split())
    _, text, _ = call("adapters", "import", second, *LABELS, "--json")
    document = json.loads(text)
    assert (document["backbone"], document["was_here"]) == (str(bert), True)
    assert document["base_recognised"] == str(tmp_path / "their-base")
    _, out, _ = call("adapters", "import", first, second, *LABELS)
    assert f"{second}: Its base model is {bert}" in " ".join(out.split())


def test_a_folder_that_several_senders_name_is_read_once(
    sent: list[Path], bert: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.experiments.answers.known_here.registered_here", lambda: [str(bert)])
    read: list[Path] = []
    monkeypatch.setattr(pretrained, "of_files", lambda folder, config: read.append(folder) or of_files(folder, config))
    code, _, err = call("adapters", "import", *map(str, sent), *LABELS)
    assert code == 0, err
    assert read.count(tmp_path / "their-base") == 1


def test_a_registered_base_is_recognised_too(
    sent: list[Path], bert: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiny BERT stands in for MiniLM."""
    opened = open_backbone(str(bert))
    monkeypatch.setattr("adapter_workbench.experiments.answers.known_here.registered_here", lambda: [str(bert)])
    code, out, err = call("adapters", "import", str(sent[0]), *LABELS, "--json")
    assert code == 0, err
    assert json.loads(out)["backbone"] == opened.name


def test_other_weights_files_and_paths_are_not_a_base(
    sent: list[Path], llama: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapter_workbench.experiments.answers.known_here.registered_here", lambda: [str(llama)])
    fetched: list[str] = []
    monkeypatch.setattr("adapter_workbench.workbench.files.hub_files.hub_folder", lambda name, _: fetched.append(name))
    os.mkfifo(tmp_path / "pipe")
    broken = shutil.copytree(tmp_path / "their-base", tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"\0" * 9)
    for base in (str(tmp_path / "their-base"), str(tmp_path / "pipe"), str(broken), "~nobody/x", "\0", "x" * 5000):
        name_base(sent[0], base)
        code, _, err = call("adapters", "import", str(sent[0]), *LABELS)
        assert code == 2, base
        assert "the base model is not known here" in err, base
    assert fetched == []


def test_what_lies_here_of_registered_models_is_told_without_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fetched")

    monkeypatch.setattr("adapter_workbench.workbench.files.wheel._download", refuse)
    monkeypatch.setattr("adapter_workbench.workbench.files.wheel.cache_folder", lambda: Path("no-such-cache"))
    assert registered_here() == []
