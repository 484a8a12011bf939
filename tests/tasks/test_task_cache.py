"""The task cache: what was changed or cut in it is found, said in one line, and made again from the source."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter_workbench.tasks.reading import verification
from adapter_workbench.workbench.errors import DataError
from adapter_workbench.workbench.methods.task import SPLITS, Task
from tests.conftest import Call
from tests.sampled import waiting

PLAIN = "files: {data: rows.csv}\ncolumns: {text: text}"


def flip(path: Path) -> None:
    """Change one byte in the middle of the texts, and set the time of modification back."""
    before, content = path.stat(), bytearray(path.read_bytes())
    position = content.find(b"number") if b"number" in content else len(content) // 2
    content[position] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


DAMAGE: dict[str, Callable[[Path], None]] = {
    "a flipped byte": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path: path.write_bytes(b""),
    "filled with garbage": lambda path: path.write_bytes(b"\xff" * path.stat().st_size),
    "removed": lambda path: path.unlink(),
    "a folder in its place": lambda path: (path.unlink(), path.mkdir())[1],
}


@pytest.mark.parametrize(
    ("damage", "large"),
    [
        waiting((damage, large), unless=not large or damage in ("a flipped byte", "removed"))
        for damage in DAMAGE
        for large in (False, True)
    ],
)
@pytest.mark.parametrize("name", ["train.arrow", "test.arrow", "task.json", "digests.json"])
def test_damage_is_said_and_mended(
    name: str,
    damage: str,
    large: bool,
    load: Callable[..., Task],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if large:
        monkeypatch.setattr(verification, "SMALL", -1)
    rows = {split: [*part] for split, part in load(PLAIN).splits.items()}
    load(PLAIN)  # which remembers what is right
    (cached,) = (folder.parent / "cache" / "tasks").iterdir()
    assert (cached / "verified.json").is_file() == large
    DAMAGE[damage](cached / name)
    with caplog.at_level(logging.WARNING):
        again = load(PLAIN)
    assert {split: [*part] for split, part in again.splits.items()} == rows
    (line,) = caplog.messages
    assert "cache is damaged" in line
    caplog.clear()
    load(PLAIN)
    assert not caplog.messages


def test_large_files_that_nobody_touched_are_not_read_again(
    load: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SMALL", -1)
    read: list[str] = []
    digest = verification.digest
    monkeypatch.setattr(verification, "digest", lambda path: read.append(path.name) or digest(path))
    load(PLAIN)
    for expected in (4, 0):
        read.clear()
        load(PLAIN)
        assert len(read) == expected, "three splits and task.json the first time"
    monkeypatch.setattr(verification, "TRUSTED", 0.0)
    load(PLAIN)
    assert len(read) == 4, "after a day they are"


def test_what_is_implied_is_not_cached_for_what_is_said(load: Callable[..., Task]) -> None:
    text = f"{PLAIN}\nlabels: {{a: first}}"
    assert load(text).labels == ("first", "b"), "a mapping onto one name keeps the others"
    with pytest.raises(DataError, match="not declared: 'b'"):
        load(f"{text}\nother_labels: refuse")


@pytest.mark.parametrize("path", ["", "tasks"])
def test_a_cache_that_is_a_file_is_one_message(
    path: str, call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = folder.parent / "elsewhere"
    (cache / path).parent.mkdir(exist_ok=True)
    (cache / path).write_text("a file")
    monkeypatch.setenv("WORKBENCH_CACHE", str(cache))
    (folder / "rows.csv").write_text("text,label\n" + "".join(f"text {n},{n % 2}\n" for n in range(40)))
    (folder / "mine.yaml").write_text(f"description: d\n{PLAIN}\n")
    code, out, err = call("tasks", "check", "mine", "--tasks", str(folder))
    assert (code, out) == (2, "")
    assert "cache cannot be used" in err
    assert "WORKBENCH_CACHE" in err
    assert len(err.splitlines()) == 2


def test_what_is_stored_is_sealed(load: Callable[..., Task], folder: Path) -> None:
    load(PLAIN)
    (cached,) = (folder.parent / "cache" / "tasks").iterdir()
    sealed = json.loads((cached / "digests.json").read_text())
    assert set(sealed) == {"task.json", *(f"{split}.arrow" for split in SPLITS)}


def test_what_killed_commands_left_half_written_is_deleted(load: Callable[..., Task], folder: Path) -> None:
    tasks = folder.parent / "cache" / "tasks"
    (tasks / ".key.0123456789ab").mkdir(parents=True)
    (tasks / ".key.0123456789ab.lock").touch()
    load(PLAIN)
    assert not [path.name for path in tasks.iterdir() if path.name.startswith(".")]
