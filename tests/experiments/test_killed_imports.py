"""`adapters import`, killed at any moment, takes in the model when it is called again, and leaves no half of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peft import LoraConfig, TaskType

from adapter_workbench.workbench.files.atomic import UNFINISHED, folder_beside
from tests.conftest import Call
from tests.elsewhere.senders import sent_by_peft
from tests.elsewhere.test_whole_models import SEQUENCES, THREE, sent
from tests.experiments.test_killed_updates import killed

OPTIONS = ["--name", "fruit", "--workspace", "space"]


def abandon(path: Path) -> None:
    """Leave what a killed process leaves: a draft, and a lock that nobody holds."""
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(b"x" * 1000)
    path.with_name(f"{path.name}.lock").touch()


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if UNFINISHED.fullmatch(path.name)]


def test_commands_that_write_adapters_sweep_what_killed_ones_left(bert: Path, tmp_path: Path, call: Call) -> None:
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=2, target_modules=["query"])
    sent_by_peft(bert, tmp_path / "sent", config, num_labels=2)
    adapters = tmp_path / "space" / "adapters"
    take_in = ["adapters", "import", "sent", "--backbone", str(bert), "--labels", "x,y", *OPTIONS]
    abandon(adapters / ".lora.0123456789ab")
    code, _, err = call(*take_in)
    assert (code, unfinished(adapters)) == (0, []), err
    (stored,) = [path.name for path in adapters.iterdir()]
    assert call("adapters", "export", stored, "out", "--workspace", "space")[0] == 0
    commands = [take_in, ["adapters", "import", "out", *OPTIONS[2:]], ["adapters", "remove", stored, *OPTIONS[2:]]]
    for command in commands:
        abandon(adapters / ".lora.0123456789ab")
        with folder_beside(adapters / "lora") as living:
            code, _, err = call(*command)
            assert (code, {*unfinished(adapters)}) == (0, {living, living.with_name(f"{living.name}.lock")}), err


@pytest.mark.acceptance
@pytest.mark.parametrize("form", [[], ["--link"]], ids=["copied", "linked"])
def test_a_whole_model_comes_in_whole_whenever_its_import_is_killed(
    form: list[str], bert: Path, tmp_path: Path, call: Call
) -> None:
    """It is killed before each change; the second time nothing is left of the first but the adapter."""
    (tmp_path / "home").mkdir()
    sent(bert, tmp_path / "sent", SEQUENCES, "20KB", **THREE)
    files = r"space/adapters/.*\.safetensors"
    take_in = ["adapters", "import", str(tmp_path / "sent"), *form, *OPTIONS]
    document = killed(tmp_path / "home", "--kept", files, "--compared", files, "--", *take_in)
    assert (len(document["killed"]), document["wrong"]) == (len(document["changes"]), [])
    assert json.dumps(document["changes"]).count("space/adapters/") > 10
