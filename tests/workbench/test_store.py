"""The store: whole or not there, verified, never changed."""

from __future__ import annotations

import gc
import hashlib
import json
import math
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as weights_of

from adapter_workbench.workbench.adapters.fit_record import Epoch, FitRecord
from adapter_workbench.workbench.adapters.manifest import (
    MANIFEST,
    AcceptedLoss,
    BackboneReference,
    Manifest,
    TaskReference,
    write_manifest,
)
from adapter_workbench.workbench.adapters.store import AdapterStore, importable
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter, check_files
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.atomic import folder_beside
from adapter_workbench.workbench.files.digest import key, size
from adapter_workbench.workbench.settings.base import Budget
from tests.messages import naming

FILES = {"adapter.safetensors": weights_of({"weight": np.zeros(2)}), "deep/config.json": b"{}"}


def manifest(name: str = "news-lora-1", likelihood: float = -0.25) -> Manifest:
    return Manifest(
        id=name,
        task=TaskReference(name="news", kind="classification", labels=("a", "b"), fingerprint="f", origin="tests"),
        backbone=BackboneReference(name="tiny", hub_id="", fingerprint="b", pooling="mean"),
        method="lora",
        library="peft",
        settings={"rank": 8, "targets": ["query"], "alpha": 16.0},
        budget=Budget(epochs=1),
        precision="fp32",
        seed=3,
        fit=FitRecord((Epoch(1, 0.5, 0.75, likelihood),), 1, 0.75, 4, 1.5, None, 10),
        metrics={"validation_accuracy": 0.75},
        versions={"torch": "2"},
        created="2026-01-01T00:00:00+00:00",
    )


def writer(files: dict[str, bytes] = FILES) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).write_bytes(content)

    return write


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore(tmp_path / "adapters")


@pytest.fixture
def stored(store: AdapterStore) -> StoredAdapter:
    return store.save(manifest(), writer())


@pytest.fixture
def exported(store: AdapterStore, stored: StoredAdapter, tmp_path: Path) -> Path:
    return store.export(stored.id, tmp_path / "exported")


@pytest.mark.parametrize("door", ["save", "import", "accept", "remove"])
def test_whatever_writes_sweeps_what_killed_processes_left(
    door: str, store: AdapterStore, stored: StoredAdapter, exported: Path
) -> None:
    other = AdapterStore(store.root)  # of another command
    dead, lock = store.root / ".news-lora-2.0123456789ab", store.root / ".news-lora-2.0123456789ab.lock"
    dead.mkdir()
    lock.touch()
    with folder_beside(store.root / "news-lora-3") as living:
        if door == "save":
            other.save(manifest("news-lora-4"), writer())
        elif door == "import":
            other.import_(exported, "tiny")
        elif door == "accept":
            other.accept(stored.id, AcceptedLoss(champion="c", loss="l", when="2026-01-01T00:00:00+00:00"))
        else:
            other.remove(stored.id)
        assert living.is_dir()
        assert not dead.exists()
        assert not lock.exists()


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def rename(folder: Path, name: str) -> Path:
    """Give an exported adapter another id, the digests staying right."""
    return change(folder, id=name)


def change(folder: Path, **keys: Any) -> Path:
    """Change an exported adapter's manifest, the digests staying right."""
    content = json.loads((folder / MANIFEST).read_text(encoding="utf-8")) | keys
    del content["sha256"]
    content["sha256"] = key(content)
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_an_empty_store_has_nothing(store: AdapterStore) -> None:
    assert store.ids() == []
    assert not store.root.exists(), "looking makes no folder"
    with pytest.raises(UnknownNameError, match="no adapter called 'x'"):
        store.get("x")


def test_what_is_saved_comes_back(store: AdapterStore, stored: StoredAdapter) -> None:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    assert stored.manifest == manifest().model_copy(update={"files": digests})
    again = AdapterStore(store.root).get("news-lora-1")
    assert again == stored
    assert again.folder == store.root / "news-lora-1"
    assert again.bytes == sum(len(content) for content in everything(again.folder).values()) == size(again.folder)
    assert store.verify(stored.id) == stored


def test_saving_again_changes_nothing(store: AdapterStore, stored: StoredAdapter) -> None:
    before = everything(stored.folder)

    def never(folder: Path) -> None:
        raise AssertionError("it is stored already")

    assert store.save(manifest(), never) == stored
    assert everything(stored.folder) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_crash_while_saving_leaves_nothing(store: AdapterStore, error: type[BaseException]) -> None:
    def crash(folder: Path) -> None:
        writer()(folder)
        raise error

    with pytest.raises(error):
        store.save(manifest(), crash)
    assert store.ids() == []
    assert list(store.root.iterdir()) == []
    assert store.save(manifest(), writer()).id == "news-lora-1", "the way is free for another try"


def test_a_folder_left_by_a_killed_process_is_not_listed(store: AdapterStore, stored: StoredAdapter) -> None:
    abandoned = store.root / ".news-lora-2.abc"
    shutil.copytree(stored.folder, abandoned)
    (store.root / "no-manifest").mkdir()
    assert store.ids() == ["news-lora-1"]


def test_a_beginning_is_enough_where_it_is_the_only_one(store: AdapterStore, stored: StoredAdapter) -> None:
    store.save(manifest("news-lora-12"), writer())
    store.save(manifest("reviews-lora-1"), writer())
    assert store.ids() == ["news-lora-1", "news-lora-12", "reviews-lora-1"]
    assert store.resolve("rev") == "reviews-lora-1"
    assert store.resolve("news-lora-1") == "news-lora-1", "a whole id is never ambiguous"
    assert "news-lora-1" in store
    assert not any(name in store for name in ("news", "", ".", "../adapters/news-lora-1", "news-lora-1/"))
    with pytest.raises(InputError, match="begins 2 ids: news-lora-1, news-lora-12"):
        store.resolve("news")
    for unknown in ("", "lora", "newt-lora-1"):
        with pytest.raises(UnknownNameError):
            store.resolve(unknown)
    with pytest.raises(UnknownNameError, match="Did you mean news-lora-1"):
        store.get("newt-lora-1")


def test_verify_names_every_file_that_differs(store: AdapterStore, stored: StoredAdapter) -> None:
    (stored.folder / "adapter.safetensors").write_bytes(b"weightz")
    (stored.folder / "deep" / "config.json").unlink()
    (stored.folder / "deep" / "extra.bin").write_bytes(b"")
    with pytest.raises(IntegrityError) as caught:
        store.verify("news")
    message = str(caught.value)
    assert "adapter news-lora-1: deep/config.json is missing; deep/extra.bin was added" in message
    assert "adapter.safetensors has changed" in message
    assert str(stored.folder) in message


def test_files_that_stay_are_hashed_once_and_any_change_of_them_is_seen(
    store: AdapterStore, stored: StoredAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(
        "adapter_workbench.workbench.adapters.store.check_files",
        lambda entry: (hashed.append(entry.id), check_files(entry)),
    )
    for _ in range(2):
        store.verify(stored.id)
    assert len(hashed) == 2, "files that have just been written may change within the grain of the times"
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    for _ in range(3):
        assert store.verify(stored.id) == stored
    assert len(hashed) == 3
    weights = next(stored.folder.rglob("*.safetensors"))
    times, content = weights.stat(), bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(IntegrityError, match=f"{weights.name} has changed"):
        store.verify(stored.id)


def test_a_manifest_is_read_once_for_as_long_as_it_stays(
    store: AdapterStore, stored: StoredAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    assert store.get(stored.id).manifest is store.get(stored.id).manifest
    path = stored.folder / MANIFEST
    times, content = path.stat(), bytearray(path.read_bytes())
    content[content.index(b"news")] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(IntegrityError, match="has changed"):
        store.get(stored.id)


def test_what_was_read_of_an_adapter_is_let_go_when_that_is_gone(
    store: AdapterStore, stored: StoredAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server reads from one store for months, in which other processes save and remove."""
    monkeypatch.setattr(checksummed, "SETTLED", -60.0)
    store.save(manifest("reviews-lora-1"), writer())
    read = {name: weakref.ref(store.verify(name).manifest) for name in store.ids()}
    assert all(store.get(name).manifest is manifest() for name, manifest in read.items()), "they are remembered"
    AdapterStore(store.root).remove(stored.id)
    assert store.ids() == ["reviews-lora-1"]
    gc.collect()
    assert {name: manifest() is None for name, manifest in read.items()} == {stored.id: True, "reviews-lora-1": False}


def test_verify_looks_at_a_manifest_below_the_folder_too(store: AdapterStore, stored: StoredAdapter) -> None:
    (stored.folder / "deep" / MANIFEST).write_bytes(b"{}")
    with pytest.raises(IntegrityError, match=r"deep/manifest\.json was added"):
        store.verify(stored.id)


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff\xfe", b"[]"])
def test_an_unreadable_manifest_is_an_integrity_error(
    store: AdapterStore, stored: StoredAdapter, content: bytes
) -> None:
    (stored.folder / MANIFEST).write_bytes(content)
    with pytest.raises(IntegrityError, match="no readable manifest"):
        store.get(stored.id)


def test_a_manifest_of_any_size_is_not_read(store: AdapterStore, exported: Path) -> None:
    with (exported / MANIFEST).open("a", encoding="utf-8") as stream:
        stream.write(" " * (16 << 20))
    with pytest.raises(InputError, match=naming(str(exported / MANIFEST), "no readable manifest", "16 MiB")):
        importable(exported)


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b"[]", b'{"id": "\\ud800"}', b"[" * 10**6])
def test_a_damaged_manifest_of_somebody_else_is_what_was_given(exported: Path, content: bytes) -> None:
    """Who has the folder did not make it, so that nobody here can train it again."""
    (exported / MANIFEST).write_bytes(content)
    with pytest.raises(InputError, match=naming(str(exported / MANIFEST), "no readable manifest", "sender")) as caught:
        importable(exported)
    assert caught.value.exit_code == 2
    assert "train" not in str(caught.value)


@pytest.mark.parametrize("likelihood", [-math.inf, math.nan])
def test_a_manifest_that_could_not_be_read_back_is_not_stored(store: AdapterStore, likelihood: float) -> None:
    with pytest.raises(IntegrityError, match="no readable manifest"):
        store.save(manifest(likelihood=likelihood), writer())
    assert store.ids() == []


def test_export_and_import_carry_an_adapter_to_another_store(
    store: AdapterStore, stored: StoredAdapter, exported: Path, tmp_path: Path
) -> None:
    assert everything(exported) == everything(stored.folder)
    other = AdapterStore(tmp_path / "other")
    imported = other.import_(exported, "tiny")
    assert imported.manifest.imported is not None, "it came from elsewhere"
    assert imported.manifest.model_copy(update={"imported": None}) == stored.manifest
    assert other.verify(stored.id).folder == other.root / stored.id
    assert everything(exported) == everything(stored.folder), "the source stays"
    assert other.import_(exported, "tiny") == imported, "twice is once"
    assert other.ids() == [stored.id]


def test_export_takes_an_empty_folder_but_no_full_one(
    store: AdapterStore, stored: StoredAdapter, tmp_path: Path
) -> None:
    empty, full, file = tmp_path / "empty", tmp_path / "full", tmp_path / "file"
    empty.mkdir()
    full.mkdir()
    (full / "mine.txt").write_text("mine", encoding="utf-8")
    file.write_text("mine", encoding="utf-8")
    assert store.export("news", empty) == empty
    assert everything(empty) == everything(stored.folder)
    for target in (full, file):
        with pytest.raises(InputError, match="not an empty folder") as caught:
            store.export("news", target)
        assert str(target) in str(caught.value)
    assert everything(full) == {"mine.txt": b"mine"}


def test_export_fills_the_folder_in_which_a_person_stands(
    store: AdapterStore, stored: StoredAdapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    inode = empty.stat().st_ino
    monkeypatch.chdir(empty)
    assert store.export("news", Path()) == Path()
    assert everything(empty) == everything(stored.folder)
    assert {path.name for path in empty.iterdir()} == {path.name for path in stored.folder.iterdir()}
    assert empty.stat().st_ino == inode, "another folder in its place would not be seen from inside, nor by a mount"


def test_export_refuses_what_has_changed(store: AdapterStore, stored: StoredAdapter, tmp_path: Path) -> None:
    (stored.folder / "adapter.safetensors").write_bytes(b"tampered")
    with pytest.raises(IntegrityError):
        store.export(stored.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def tamper_change(folder: Path) -> None:
    (folder / "adapter.safetensors").write_bytes(b"tampered")


def tamper_add(folder: Path) -> None:
    (folder / "extra.py").write_bytes(b"print()")


def tamper_remove(folder: Path) -> None:
    (folder / "deep" / "config.json").unlink()


@pytest.mark.parametrize("tamper", [tamper_change, tamper_add, tamper_remove])
def test_import_refuses_what_has_changed(exported: Path, tmp_path: Path, tamper: Callable[[Path], None]) -> None:
    tamper(exported)
    other = AdapterStore(tmp_path / "other")
    with pytest.raises(InputError, match="adapter news-lora-1: ") as caught:
        other.import_(exported, "tiny")
    assert "train it again" not in str(caught.value)
    assert other.ids() == []


@pytest.mark.parametrize("position", [50, 200, 700, -30])
def test_a_byte_of_the_manifest_that_changed_is_found(stored: StoredAdapter, exported: Path, position: int) -> None:
    for folder in (exported, stored.folder):
        content = bytearray((folder / MANIFEST).read_bytes())
        content[position] = ord("x") if content[position] != ord("x") else ord("y")
        (folder / MANIFEST).write_bytes(content)
    other = AdapterStore(exported.parent / "other")
    with pytest.raises(InputError, match="manifest"):
        other.import_(exported, "tiny")
    with pytest.raises(IntegrityError, match="manifest"):
        AdapterStore(stored.folder.parent).get(stored.id)
    assert other.ids() == []


def test_a_manifest_from_before_it_had_a_digest_is_read(stored: StoredAdapter) -> None:
    content = json.loads((stored.folder / MANIFEST).read_text(encoding="utf-8"))
    del content["sha256"]
    (stored.folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    assert AdapterStore(stored.folder.parent).verify(stored.id) == stored


def test_a_manifest_with_too_much_in_it_is_a_short_message(exported: Path, tmp_path: Path) -> None:
    change(exported, files={f"file-{number}": "0" * 64 for number in range(20_000)})
    with pytest.raises(InputError) as caught:
        AdapterStore(tmp_path / "other").import_(exported, "tiny")
    assert len(str(caught.value)) < 1000
    change(exported, **{f"key-{number}": 1 for number in range(20_000)})
    with pytest.raises(InputError, match="no readable manifest") as caught:
        AdapterStore(tmp_path / "other").import_(exported, "tiny")
    assert len(str(caught.value)) < 1000


def test_an_imported_adapter_s_backbone_is_what_it_is_called_here(exported: Path, tmp_path: Path) -> None:
    imported = AdapterStore(tmp_path / "other").import_(change(exported), "my-model")
    assert imported.manifest.backbone.name == "my-model"


def test_import_brings_nothing_that_was_not_verified(exported: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (exported / "link").symlink_to(outside, target_is_directory=True)
    other = AdapterStore(tmp_path / "other")
    with pytest.raises(InputError, match="links"):
        other.import_(exported, "tiny")
    assert other.ids() == []


@pytest.mark.parametrize("name", ["../x", "/tmp/x", ".", "..", ".hidden", "a/b", ""])
def test_import_refuses_an_id_that_is_no_folder_name(exported: Path, tmp_path: Path, name: str) -> None:
    rename(exported, name)
    before = everything(tmp_path)
    with pytest.raises(InputError, match="an adapter's id"):
        AdapterStore(tmp_path / "other").import_(exported, "tiny")
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["../evil", "a/b", "/tmp/evil", "a b", "$(evil)", ""])
def test_import_refuses_a_task_whose_name_begins_no_id(
    store: AdapterStore, stored: StoredAdapter, tmp_path: Path, name: str
) -> None:
    """The ids of adapters that are made of it begin so, and name folders."""
    task = stored.manifest.task.model_copy(update={"name": name})
    folder = store.export(stored.id, tmp_path / "sent")
    write_manifest(stored.manifest.model_copy(update={"task": task}), folder)
    other = AdapterStore(tmp_path / "other")
    with pytest.raises(InputError, match=naming(MANIFEST, f"{name!r} cannot be a task's name")):
        other.import_(folder, "tiny")
    assert not other.root.exists()


@pytest.mark.parametrize("name", ["../evil", "a b", "x" * 201])
def test_nothing_is_stored_under_an_id_that_is_no_folder_name(store: AdapterStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=naming(repr(name), "cannot be an adapter's id")):
        store.save(manifest(name), writer())
    assert not [*tmp_path.rglob("*evil*")]
    assert store.ids() == []


def test_import_refuses_another_adapter_under_a_known_id(
    store: AdapterStore, stored: StoredAdapter, exported: Path, tmp_path: Path
) -> None:
    other = AdapterStore(tmp_path / "other")
    other.save(manifest(), writer({"adapter.safetensors": b"other weights"}))
    with pytest.raises(InputError, match=naming("another adapter", "'news-lora-1'")):
        other.import_(exported, "tiny")
    assert (other.get("news").folder / "adapter.safetensors").read_bytes() == b"other weights"


def lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def test_a_copy_of_an_own_adapter_keeps_the_scores_that_it_has_here(
    store: AdapterStore, stored: StoredAdapter, exported: Path
) -> None:
    claimed = json.loads((exported / MANIFEST).read_text()) | {"metrics": {"validation_accuracy": 1.0}}
    del claimed["sha256"]
    (exported / MANIFEST).write_text(json.dumps(claimed))
    assert store.import_(exported, "tiny") == stored
    tamper_change(stored.folder)
    assert store.import_(exported, "tiny") == stored, "its own manifest counts, also where its weights are replaced"


def test_a_sender_does_not_say_that_an_adapter_was_made_here(exported: Path, tmp_path: Path) -> None:
    other = AdapterStore(tmp_path / "other")
    first = other.import_(exported, "tiny").manifest.imported
    sent = other.export(other.ids()[0], tmp_path / "sent")
    third = AdapterStore(tmp_path / "third").import_(sent, "tiny").manifest.imported
    assert first is not None
    assert third is not None


def cut_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(b"{")


@pytest.mark.parametrize("harm", [tamper_change, tamper_add, tamper_remove, lose_manifest, cut_manifest])
def test_import_takes_the_place_of_a_damaged_adapter(
    store: AdapterStore, stored: StoredAdapter, exported: Path, harm: Callable[[Path], None]
) -> None:
    harm(stored.folder)
    imported = store.import_(exported, "tiny")
    is_own = harm not in (lose_manifest, cut_manifest)
    assert (imported.manifest.imported is None) == is_own, "nothing else says that it was made here"
    assert imported.manifest.model_copy(update={"imported": None}) == stored.manifest
    assert store.verify(stored.id) == imported
    assert everything(stored.folder).keys() == everything(exported).keys()
    assert [path.name for path in store.root.iterdir()] == [stored.id]


def test_an_import_that_fails_leaves_the_damaged_adapter(
    store: AdapterStore, stored: StoredAdapter, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    tamper_change(stored.folder)
    before = everything(store.root)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        store.import_(exported, "tiny")
    assert everything(store.root) == before


def test_import_of_a_folder_without_manifest(store: AdapterStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json here"):
        store.import_(tmp_path, "tiny")
    with pytest.raises(InputError, match=r"no manifest\.json here"):
        store.import_(tmp_path / "missing", "tiny")


def test_an_interrupted_import_leaves_nothing(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    other = AdapterStore(tmp_path / "other")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        other.import_(exported, "tiny")
    assert other.ids() == []
    assert list(other.root.iterdir()) == []


def test_an_adapter_that_is_removed_meanwhile_is_not_damaged(
    store: AdapterStore, stored: StoredAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(adapter: StoredAdapter) -> None:
        shutil.rmtree(adapter.folder)
        check_files(adapter)

    monkeypatch.setattr("adapter_workbench.workbench.adapters.store.check_files", removed)
    assert store.damage(stored.id) is None
    assert store.damage(stored.id) is None, "it was listed, and was gone before it was looked at"


def test_remove_takes_one_adapter_away(store: AdapterStore, stored: StoredAdapter) -> None:
    store.save(manifest("reviews-lora-1"), writer())
    assert store.remove("news-lora-1") == "news-lora-1"
    assert store.ids() == ["reviews-lora-1"]
    assert [path.name for path in store.root.iterdir()] == ["reviews-lora-1"]
    with pytest.raises(UnknownNameError):
        store.remove("news-lora-1")


@pytest.mark.parametrize("name", ["tickets", "tickets-eu", "tickets-eu-lora", "tickets-eu-lora-"])
def test_remove_refuses_what_may_be_the_name_of_a_task(store: AdapterStore, name: str) -> None:
    store.save(manifest("tickets-eu-lora-aaaaaaaa"), writer())
    with pytest.raises(InputError, match=r"id of an adapter\n.*tickets-eu-lora-aaaaaaaa"):
        store.remove(name)
    store.save(manifest("tickets-eu-lora-aabbbbbb"), writer())
    for begun in (name, "tickets-eu-lora-aa"):
        with pytest.raises(InputError, match="begins 2 ids: tickets-eu-lora-aaaaaaaa, tickets-eu-lora-aabbbbbb"):
            store.remove(begun)
    assert store.remove("tickets-eu-lora-aab") == "tickets-eu-lora-aabbbbbb"
    store.save(manifest("aaaaaaaa-lora-cccccccc"), writer())
    assert store.remove("aaaaaaaa") == "tickets-eu-lora-aaaaaaaa", "a key comes before a beginning"


def test_a_crash_while_removing_does_not_list_half_an_adapter(
    store: AdapterStore, stored: StoredAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path, **_: Any) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "rmtree", crash)
        store.remove(stored.id)
    assert store.ids() == []
    store.save(manifest(), writer())
    assert store.remove(stored.id) == stored.id, "what the crash left is not in the way"
    assert store.ids() == []


def test_a_key_does_not_hang_on_the_order_of_keys() -> None:
    assert key({"a": 1, "b": [1, 2]}) == key({"b": [1, 2], "a": 1})
    assert key({"a": 1}) != key({"a": 2})
    assert key([1, 2]) != key([2, 1])
    assert key({"a": 1}) == hashlib.sha256(b'{"a": 1}').hexdigest()
