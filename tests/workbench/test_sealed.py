"""Documents and folders that notice damage: each byte of them, and each way to lose one."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed
from tests.damage import swap, within


@dataclass(frozen=True)
class Note:
    """Something with the types that records have."""

    name: str
    scores: tuple[float, ...]
    parts: dict[str, int]


NOTE = TypeAdapter(Note)
WRITTEN = Note("größer", (0.1, 1 / 3, math.inf), {"b": 2, "a": 1})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    checksummed.write(NOTE, WRITTEN, tmp_path / "deep" / "note.json")
    return tmp_path / "deep" / "note.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sealed_folder = tmp_path / "folder"
    (sealed_folder / "state" / "body").mkdir(parents=True)
    for name in ("fit.json", "state/head.bin", "state/body/model.bin"):
        (sealed_folder / name).write_bytes(name.encode())
    checksummed.seal(sealed_folder)
    return sealed_folder


def test_what_was_written_is_read(path: Path) -> None:
    assert checksummed.read(NOTE, path) == WRITTEN
    assert checksummed.read(NOTE, path.with_name("other.json")) is None


def test_the_digest_is_that_of_the_content_with_sorted_keys(tmp_path: Path) -> None:
    checksummed.write(checksummed.CONTENT, {"b": 1, "a": "ü"}, tmp_path / "x.json")
    wanted = hashlib.sha256(b'{"a": "\\u00fc", "b": 1}').hexdigest()  # ASCII, ", " and ": ", as json.dumps has them
    assert json.loads((tmp_path / "x.json").read_text())["sha256"] == wanted


def test_a_document_without_a_digest_is_read_as_before_there_were_any(path: Path) -> None:
    path.write_text('{"name": "old", "scores": [0.5], "parts": {}}')
    assert checksummed.read(NOTE, path) == Note("old", (0.5,), {})


def test_no_flipped_byte_changes_what_is_read(path: Path) -> None:
    sound = path.read_bytes()
    for position in range(len(sound)):
        damaged = bytearray(sound)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        try:
            note = checksummed.read(NOTE, path)
        except IntegrityError as error:
            assert error.where == str(path)
            continue
        assert note == WRITTEN, f"byte {position}"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\x00", b'{"name": 1}', b"[" * 100_000])
def test_what_is_no_such_document_is_damaged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        checksummed.read(NOTE, path)


def test_a_folder_in_the_place_of_a_document_is_damage(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="damaged"):
        checksummed.read(NOTE, tmp_path)


@pytest.mark.parametrize("thing", ["pipe", "socket", "device"])
def test_what_is_no_file_is_damage_at_once(path: Path, thing: str) -> None:
    path.unlink()
    if thing == "pipe":
        os.mkfifo(path)
    elif thing == "socket":
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))  # a long path is none that a socket can have
    else:
        path.symlink_to("/dev/zero")
    with within(5), pytest.raises(IntegrityError, match="damaged: not readable"):
        checksummed.read(NOTE, path)
    with within(5):
        assert not checksummed.has_key(path, "name")


def test_a_document_that_was_stored_under_another_key_is_damage(tmp_path: Path) -> None:
    for name in ("one", "other"):
        checksummed.write(NOTE, Note(name, (), {}), tmp_path / f"{name}.json", name)
    assert checksummed.read(NOTE, tmp_path / "one.json", "one") == Note("one", (), {})
    assert checksummed.read(NOTE, tmp_path / "one.json") == Note("one", (), {}), "who asks for no key is told none"
    swap(tmp_path / "one.json", tmp_path / "other.json")
    with pytest.raises(IntegrityError, match=r"written for another key \(other\)"):
        checksummed.read(NOTE, tmp_path / "one.json", "one")


def test_a_document_of_before_there_were_keys_is_read_under_any(path: Path) -> None:
    assert checksummed.read(NOTE, path, "whatever") == WRITTEN


def test_a_key_is_part_of_what_the_digest_covers(tmp_path: Path) -> None:
    checksummed.write(NOTE, WRITTEN, tmp_path / "note.json", "one")
    content = json.loads((tmp_path / "note.json").read_text()) | {"stored_under": "other"}
    (tmp_path / "note.json").write_text(json.dumps(content))
    with pytest.raises(IntegrityError, match="the content has changed"):
        checksummed.read(NOTE, tmp_path / "note.json", "other")


def test_a_sealed_folder_of_another_key_is_damage(folder: Path) -> None:
    checksummed.require_sound(folder, under="whatever")
    checksummed.seal(folder, "one")
    checksummed.require_sound(folder)
    checksummed.require_sound(folder, under="one")
    with pytest.raises(IntegrityError, match=r"written for another key \(one\)"):
        checksummed.require_sound(folder, under="other")


def change(path: Path) -> None:
    path.write_bytes(b"other")


@pytest.mark.parametrize(("damage", "message"), [(change, "has changed"), (Path.unlink, "is missing")])
@pytest.mark.parametrize("name", ["fit.json", "state/head.bin", "state/body/model.bin"])
def test_a_sealed_folder_names_what_is_not_as_it_was(
    folder: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    checksummed.require_sound(folder)
    damage(folder / name)
    with pytest.raises(IntegrityError, match=f"{Path(name).name} {message}") as caught:
        checksummed.require_sound(folder)
    assert caught.value.where == str(folder)


def test_files_that_came_later_are_no_damage(folder: Path) -> None:
    (folder / "outcome.json").write_text("{}")
    checksummed.require_sound(folder)


def test_a_part_may_be_dropped_as_a_whole_but_not_in_part(folder: Path) -> None:
    (folder / "state" / "body" / "other.bin").write_bytes(b"")
    checksummed.seal(folder)
    (folder / "state" / "body" / "other.bin").unlink()
    with pytest.raises(IntegrityError, match=r"other\.bin is missing"):
        checksummed.require_sound(folder, without=["state/body"])
    (folder / "state" / "body" / "model.bin").unlink()
    (folder / "state" / "body").rmdir()
    checksummed.require_sound(folder, without=["state/body"])


def test_a_part_that_is_dropped_while_others_are_read_is_no_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = checksummed.digest

    def dropping(path: Path) -> str:
        shutil.rmtree(folder / "state" / "body", ignore_errors=True)
        return digest(path)

    monkeypatch.setattr(checksummed, "digest", dropping)
    checksummed.require_sound(folder, without=["state/body"])
    assert not (folder / "state" / "body").exists()
    with pytest.raises(IntegrityError, match=r"model\.bin is missing"):
        checksummed.require_sound(folder)


def test_a_folder_of_before_there_were_digests_is_taken_as_it_is(folder: Path) -> None:
    (folder / checksummed.DIGESTS).unlink()
    change(folder / "fit.json")
    checksummed.require_sound(folder)


def test_parts_that_come_back_bring_their_digests_and_leave_the_others(folder: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    (fresh / "state" / "body").mkdir(parents=True)
    (fresh / "state" / "body" / "shard.bin").write_bytes(b"again")
    change(folder / "fit.json")
    checksummed.reseal(folder, fresh, ["state/body"])
    (folder / "state" / "body" / "model.bin").unlink()
    (fresh / "state" / "body" / "shard.bin").rename(folder / "state" / "body" / "shard.bin")
    with pytest.raises(IntegrityError) as caught:
        checksummed.require_sound(folder)
    assert caught.value.what == "damaged: fit.json has changed", "damage is not blessed, and nothing else is wrong"
