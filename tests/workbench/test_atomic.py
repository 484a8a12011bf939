"""Bytes that arrive whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.errors import UnwritableError
from adapter_workbench.workbench.files import atomic
from tests.read_only import with_modes

HELD = """
import sys, time
from pathlib import Path
from adapter_workbench.workbench.files import atomic
with atomic.written_whole(Path(sys.argv[1])) as folder, atomic.file_written_whole(Path(sys.argv[2])) as file:
    (folder / "half").write_bytes(b"x" * 1000)
    file.write_bytes(b"y" * 500)
    print("ready", flush=True)
    time.sleep(60)
"""


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def folder_at(path: Path) -> None:
    with atomic.written_whole(path):
        pass


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with atomic.written_whole(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("content", encoding="utf-8")
        assert not target.exists()
        assert folder.parent == target.parent, "a rename is atomic only within one file system"
        assert folder.name.startswith(".")
    assert (target / "sub" / "file").read_text(encoding="utf-8") == "content"
    assert entries(target.parent) == ["target"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_folder_vanishes_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic.written_whole(tmp_path / "target") as folder:
        (folder / "half").write_text("half", encoding="utf-8")
        raise error
    assert entries(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_empty_folder_stays_so_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), atomic.new_folder(tmp_path) as folder:
        (folder / "half").write_text("half", encoding="utf-8")
        raise error
    assert entries(tmp_path) == []


@pytest.mark.parametrize("inside", [False, True], ids=["beside", "in the empty folder"])
def test_a_new_folder_sweeps_what_killed_writers_of_it_left(tmp_path: Path, inside: bool) -> None:
    target = tmp_path / "target"
    left = target / ".draft.0123456789ab" if inside else tmp_path / ".target.0123456789ab"
    of_another = tmp_path / ".another.target.0123456789ab"
    without_lock = tmp_path / ".target.ba9876543210"  # a person's own, as far as anybody knows
    for path in (left, of_another, without_lock):
        path.mkdir(parents=True)
        (path / "model").write_bytes(b"x")
    for path in (left, of_another):
        path.with_name(f"{path.name}.lock").touch()
    os.utime(without_lock, (0, 0))
    with atomic.folder_beside(target) as living, atomic.new_folder(target) as folder:
        (folder / "file").write_text("content")
        assert living.is_dir()
    assert entries(target) == ["file"]
    assert entries(tmp_path) == sorted([of_another.name, f"{of_another.name}.lock", without_lock.name, "target"])


@pytest.mark.parametrize("write", [lambda path: atomic.write_whole(path, "x"), atomic.remove_whole, folder_at])
def test_whoever_writes_a_target_sweeps_what_killed_writers_of_it_left(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    target = tmp_path / "target"
    if write is atomic.remove_whole:
        target.write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", HELD, str(target), str(target)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        writer.kill()
    (of_another := tmp_path / ".another.0123456789ab.lock").touch()
    write(target)
    kept = [] if write is atomic.remove_whole else ["target"]
    assert entries(tmp_path) == [of_another.name, *kept]


def test_an_empty_folder_is_filled_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename, renamed = Path.rename, []

    def full(path: Path, target: Path) -> Path:
        if renamed:
            raise OSError(errno.ENOSPC, "No space left on device")
        renamed.append(path.name)
        return rename(path, target)

    def fill() -> None:
        with atomic.new_folder(tmp_path) as folder:
            (folder / "file").write_text("content", encoding="utf-8")
            (folder / "sub").mkdir()

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "rename", full)
        fill()
    assert len(renamed) == 1
    assert entries(tmp_path) == []
    fill()
    assert entries(tmp_path) == ["file", "sub"]


def test_files_are_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, events = tmp_path / "target", []

    def synced(descriptor: int) -> None:
        events.append((Path(f"/proc/self/fd/{descriptor}").readlink().name, target.exists()))

    monkeypatch.setattr(os, "fsync", synced)
    with atomic.written_whole(target) as folder:
        (folder / "file").write_text("content", encoding="utf-8")
    assert events[0] == ("file", False)
    assert events[1][0].startswith(".target.")
    assert events[-1] == (tmp_path.name, True), "the parent's entry is synced after the rename"


def test_a_target_that_is_there_already_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with atomic.written_whole(target) as folder:
        (folder / "new").write_text("slow", encoding="utf-8")
        target.mkdir()
        (target / "old").write_text("quick", encoding="utf-8")
    assert entries(target) == ["old"]
    assert entries(tmp_path) == ["target"]


def test_write_whole_writes_text_and_bytes_over_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    atomic.write_whole(target, "é")
    assert target.read_bytes() == "é".encode()
    atomic.write_whole(target, b"\x00\xff")
    assert target.read_bytes() == b"\x00\xff"
    assert entries(target.parent) == ["file.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    target = tmp_path / "file.json"
    atomic.write_whole(target, "old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        atomic.write_whole(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert entries(tmp_path) == ["file.json"]


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), atomic.written_whole(tmp_path / "target") as folder:
        (folder / "file").write_text("content", encoding="utf-8")
    assert entries(tmp_path) == []


def test_what_a_killed_writer_left_is_swept_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELD, str(tmp_path / "folder"), str(tmp_path / "file")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert atomic.sweep(tmp_path) == 0
        assert len(entries(tmp_path)) == 4, "a folder, a file, and a lock for each"
        writer.kill()
    assert atomic.sweep(tmp_path) == 1500
    assert entries(tmp_path) == []


def test_what_could_not_be_deleted_to_the_end_is_swept_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_bytes(b"123")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(atomic, "_delete", interrupt)
        atomic.remove_whole(tmp_path / "target")
    assert atomic.sweep(tmp_path) == 3
    assert entries(tmp_path) == []


def test_what_was_left_without_a_lock_is_swept_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ".step.0123456789ab", tmp_path / ".step.ba9876543210"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").write_bytes(b"123")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert atomic.sweep(tmp_path) == 3
    assert entries(tmp_path) == [new.name]


def test_what_a_writer_holds_for_days_is_not_swept(tmp_path: Path) -> None:
    """The time of a lock is that of its making, and a stage of a stream may take longer than a day."""
    long_ago = (time.time() - 90_000,) * 2
    with atomic.written_whole(tmp_path / "target") as folder:
        [lock] = [path for path in tmp_path.iterdir() if path.suffix == atomic.LOCK]
        for path in (lock, folder):
            os.utime(path, long_ago)
        for _ in range(2):
            assert atomic.sweep(tmp_path) == 0
            assert entries(tmp_path) == sorted([folder.name, lock.name])
    assert entries(tmp_path) == ["target"]
    lock.touch()  # as a killed writer leaves it
    os.utime(lock, long_ago)
    atomic.sweep(tmp_path)
    assert entries(tmp_path) == ["target"]


@pytest.mark.parametrize("name", [".lock", "step", ".hidden", "a.0123456789ab", ".a.0123456789abc", ".a.0123456789AB"])
def test_nothing_else_is_swept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    os.utime(tmp_path / name, (0, 0))
    assert atomic.sweep(tmp_path) == 0
    assert entries(tmp_path) == [name]


def test_a_folder_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert atomic.sweep(tmp_path / "nowhere") == 0


@pytest.mark.parametrize("write", [lambda path: atomic.write_whole(path, "x"), atomic.remove_whole, folder_at])
@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_disk_that_can_only_be_read_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], number: int
) -> None:
    target = tmp_path / "there"
    target.mkdir() if write is folder_at else target.write_text("old")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnwritableError, match=f"there: cannot write here: {os.strerror(number)}") as caught:
        write(target)
    assert caught.value.exit_code == 2
    assert entries(tmp_path) == ["there"]


@pytest.mark.parametrize(
    ("target", "message"),
    [("", "this is a folder"), ("file/inside", "Not a directory|File exists"), ("n" * 300, "too long")],
)
def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UnwritableError, match=message):
        atomic.write_whole(tmp_path / target, "content")
    assert entries(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_deleted_to_the_end_stays_whole(tmp_path: Path) -> None:
    inside = tmp_path / "target" / "sub"
    inside.mkdir(parents=True)
    for folder in (inside.parent, inside):
        (folder / "file").write_text("content")
    with with_modes({inside: 0o555}), pytest.raises(UnwritableError, match="sub: cannot write here: Permission denied"):
        atomic.remove_whole(tmp_path / "target")
    assert entries(tmp_path) == ["target"]
    assert (entries(inside.parent), entries(inside)) == (["file", "sub"], ["file"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device")
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(UnwritableError, match="no plain file"):
        atomic.write_whole(tmp_path / "link", "content")
    assert (tmp_path / "link").is_symlink()


def test_what_is_written_follows_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        with atomic.written_whole(tmp_path / "folder"):
            pass
        atomic.write_whole(tmp_path / "file", "text")
    finally:
        os.umask(previous)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
