"""`tasks update` and `update`, killed at any moment, lose nothing, leave an answer, and can be given again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Call, environment
from tests.updating_folder import UPDATE, write_task


def killed(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return what killing a command in copies of a folder came to."""
    program = [sys.executable, "-m", "tests.killed", str(folder), *arguments]
    where = {"cwd": Path(__file__).parents[2], "env": environment()}
    done = subprocess.run(program, capture_output=True, text=True, check=False, **where)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_killed_update_of_a_task_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    document = killed(write_task(tmp_path / "ana"), "--at", "os.rename", "--", *UPDATE)
    assert (len(document["killed"]), document["wrong"]) == (2, [])


@pytest.mark.acceptance
def test_a_task_is_updated_whole_or_not_at_all_whenever_it_is_killed(call: Call, bert: Path, tmp_path: Path) -> None:
    """The first update, which writes two versions, and the second one; a champion answers all the time."""
    folder = write_task(tmp_path)
    budget = ["--set", "budget={epochs: 1, max_length: 16, precision: fp32}", "--workspace", "space"]
    assert call("add", "tickets", "--method", "head", "--backbone", str(bert), *budget)[0] == 0
    asking = ["--asking", "predict tickets 'cat number 3' --workspace space --json"]
    first = killed(folder, *asking, "--", *UPDATE)
    assert (len(first["killed"]), first["wrong"]) == (len(first["changes"]), [])
    assert len(first["changes"]) > 30
    assert call(*UPDATE)[0] == 0
    (folder / "more.csv").write_text("text,label\ncat number 1,b\ncat number 2,b\nfish,b\n")
    second = killed(folder, *asking, "--", *UPDATE[:5])
    assert (len(second["killed"]), second["wrong"]) == (len(second["changes"]), [])


@pytest.mark.acceptance
@pytest.mark.parametrize("way", ["continue", "anew"])
def test_an_adapter_is_updated_whole_or_not_at_all_whenever_it_is_killed(
    way: str, call: Call, bert: Path, tmp_path: Path
) -> None:
    """In training, while the adapter is stored, tested, compared and registered, and as the champion changes."""
    folder = write_task(tmp_path)
    budget = ["--set", "budget={epochs: 2, max_length: 16, precision: fp32}", "--workspace", "space"]
    assert call("add", "tickets", "--backbone", str(bert), "--set", "learning_rate=0.02", *budget)[0] == 0
    assert call(*UPDATE)[0] == 0
    asking = ["--asking", "predict tickets 'cat number 3' --workspace space --json"]
    kept = r"(tasks|space/adapters)/.*(?<!/manifest\.json)"  # what is accepted is written into the manifest
    files = ["--kept", kept, "--compared", r"tasks/.*|space/adapters/.*\.safetensors"]
    update = ["update", "tickets", "--how", way, "--accept-loss", "--workspace", "space"]
    document = killed(folder, *asking, *files, "--at", "os.rename", "--every", "10", "--", *update)
    assert document["wrong"] == []
    moved = [path for event, path in document["changes"] if event == "os.rename"]
    for part in ("space/fits/", "space/adapters/", "space/evaluations/", "space/.champions.json"):
        assert any(path.startswith(part) for path in moved), f"it was killed when {part} was written"
    assert document["answers"][0] != document["answers"][1]
