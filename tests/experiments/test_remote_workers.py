"""Files that pieces read and write travel between workspaces: all or none, once, and never to a path outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from adapter_workbench.experiments.engine.workers.remote import incoming_files, remote_worker_actor, remote_workers
from adapter_workbench.experiments.engine.workers.remote.backbone_files import BackboneFiles, fetch_backbone
from adapter_workbench.experiments.engine.workers.remote.file_parts import MESSAGE, Part, names, parts
from adapter_workbench.experiments.engine.workers.remote.packed_pieces import PackedPieces
from adapter_workbench.experiments.engine.workers.remote.remote_worker_actor import FileSync
from adapter_workbench.experiments.engine.workers.remote.remote_workers import WorkspaceServer
from adapter_workbench.experiments.engine.workers.remote.workspace_changes import Changes
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import IntegrityError, WorkError
from adapter_workbench.workbench.files import atomic
from tests.ear import Ear
from tests.toy_pieces import ToyPiece

OUTSIDE = ("../x", "/etc/passwd", "steps/../../x", "steps/.lock", "steps//x", "", ".", "a\\b/c", "steps/a\nb", "link/x")


class CountingServer(WorkspaceServer):
    """A server that counts what is sent over it, and may break."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, PackedPieces.of([]))
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.breaks = False

    def parts(self, names: Sequence[str]) -> Iterator[list[Part]]:
        self.fetched += names
        return super().parts(names)

    def take(self, transfer: str, parts: Sequence[Part]) -> None:
        self.sent += [part.name for part in parts]
        super().take(transfer, [part for part in parts if not (self.breaks and part.sha256)])


class Two:
    """The workspace of a run, and that of a process on another machine."""

    def __init__(self, folder: Path) -> None:
        self.there, self.here = folder / "there", folder / "here"
        self.there.mkdir()
        self.server = CountingServer(self.there)
        self.sync = FileSync(self.server, self.here, "one")

    def write(self, root: Path, **files: str) -> None:
        for name, text in files.items():
            path = root / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_leads_out_of_the_workspace(name: str, two: Two, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    (two.there / "link").symlink_to(tmp_path)
    before = contents(tmp_path)
    attempts = [
        lambda: two.server.take("one", [Part(name, 0, b"theirs", "0" * 64)]),
        lambda: two.server.apply("two", Changes((), frozenset(), (name,)), ""),
        lambda: [*two.server.parts([name])],
        lambda: two.server.claim(f"../{name}", "one"),
    ]
    for attempt in attempts:
        with pytest.raises(WorkError, match="another machine"):
            attempt()
    assert contents(tmp_path) == before
    assert not [path for path in names(two.there) if path.startswith("link")], "links are not sent either"


def test_what_a_piece_left_arrives_and_nothing_is_sent_twice(two: Two) -> None:
    two.write(two.here, evaluations__a__scores="1", pieces__a="done", claims__a="", fits__a__half="", log="mine")
    (two.here / "steps" / "a" / "heads").mkdir(parents=True)
    (two.here / "pace.jsonl").write_text("{}\n")
    two.sync.send()
    assert contents(two.there) == {"evaluations/a/scores": b"1", "pieces/a": b"done", "pace.jsonl": b"{}\n"}
    assert (two.there / "steps" / "a" / "heads").is_dir(), "an empty folder is a part of a state"
    sent = [*two.server.sent]
    two.sync.send()
    assert two.server.sent == sent
    two.write(two.here, steps__a__outcome="2")
    two.sync.send()
    assert two.server.sent[len(sent) :] == ["steps/a/outcome"]


def test_what_is_read_is_brought_once(two: Two) -> None:
    two.write(two.there, steps__a__state__body="1", steps__a__fit="2", steps__b__fit="3")
    for _ in range(2):
        two.sync.begin()
        two.sync.fetch(two.here / "steps" / "a" / "state" / "body")
    assert contents(two.here) == {"steps/a/state/body": b"1", "steps/a/fit": b"2"}
    assert sorted(two.server.fetched) == ["steps/a/fit", "steps/a/state/body"]
    two.sync.send()
    assert not two.server.sent, "what came from there does not go back"


class Shelf:
    """Has one backbone, of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def backbone_files(self, number: int) -> BackboneFiles:
        return BackboneFiles("key", {"config.json": self._file})

    def backbone_parts(self, number: int) -> Iterator[list[Part]]:
        return parts([("config.json", self._file)])


def test_a_backbone_clears_away_what_killed_processes_left_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    left = tmp_path / "cache" / "brought" / ".other.0123456789ab"
    left.mkdir(parents=True)
    left.with_name(f"{left.name}.lock").touch()
    (tmp_path / "config.json").write_text("{}")
    backbone: Any = SimpleNamespace(elsewhere=lambda folder: folder)
    folder: Any = fetch_backbone(backbone, 0, Shelf(tmp_path / "config.json"))
    assert contents(folder) == {"config.json": b"{}"}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["key", "key.lock"]


def test_what_a_piece_deletes_or_makes_again_is_so_on_both_sides(two: Two) -> None:
    two.write(two.there, steps__a__state__body__w="1", steps__a__state__heads__h="2", steps__a__fit="damaged")
    two.sync.fetch(two.here / "steps" / "a")
    atomic.remove_whole(two.here / "steps" / "a" / "state" / "body")
    atomic.write_whole(two.here / "steps" / "a" / "fit", "mended")
    two.sync.fetch(two.here / "steps" / "a")
    two.sync.send()
    assert contents(two.there) == contents(two.here) == {"steps/a/state/heads/h": b"2", "steps/a/fit": b"mended"}
    assert not (two.there / "steps" / "a" / "state" / "body").exists()


def test_what_somebody_else_completed_meanwhile_stays(two: Two) -> None:
    two.write(two.here, adapters__a__weights="mine", adapters__a__manifest="mine", steps__a__outcome2="mine")
    two.write(two.there, adapters__a__weights="theirs", adapters__a__manifest="theirs", steps__a__outcome1="theirs")
    two.sync.send()
    files = contents(two.there)
    assert files["adapters/a/weights"] == files["adapters/a/manifest"] == b"theirs"
    assert (files["steps/a/outcome1"], files["steps/a/outcome2"]) == (b"theirs", b"mine")


def test_a_line_that_breaks_leaves_nothing_and_the_next_time_all(two: Two) -> None:
    two.write(two.there, pieces__old="old")
    two.write(two.here, steps__a__big="x" * (MESSAGE + 5), pieces__a="done")
    two.server.breaks = True
    with pytest.raises(IntegrityError, match="not all files"):
        two.sync.send()
    assert contents(two.there) == {"pieces/old": b"old"}
    assert [path.name for path in two.there.iterdir()] == ["pieces"], "nothing half-written is left"
    two.server.breaks = False
    two.sync.send()
    assert contents(two.there) == {"pieces/old": b"old", **contents(two.here)}


@pytest.mark.parametrize("wrong", [{"content": b"forged"}, {"offset": 3}, {"sha256": "0" * 64}])
def test_a_file_that_is_not_what_was_sent_is_refused(wrong: dict[str, Any], two: Two, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"honest")
    (((part,)),) = parts([("steps/a", tmp_path / "f")])
    with pytest.raises(IntegrityError, match=r"steps/a: "):
        two.server.take("t", [replace(part, **wrong)])
    assert not contents(two.there)


def test_whoever_is_killed_in_the_middle_has_left_what_was_written_first(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that says that something is done arrives after the files of what was done."""
    two.write(two.here, trials__z__outcomes="1", trials__z__result="2")
    two.write(two.here, pieces__a="done")
    placed = []

    def put(source: Path, target: Path) -> bool:
        if placed:
            raise KeyboardInterrupt
        placed.append(target)
        return atomic_put(source, target)

    atomic_put = atomic.put_whole
    monkeypatch.setattr(incoming_files.atomic, "put_whole", put)
    with pytest.raises(KeyboardInterrupt):
        two.sync.send()
    assert contents(two.there) == {"trials/z/outcomes": b"1", "trials/z/result": b"2"}


def is_free(workspace: Workspace) -> bool:
    with workspace.claim("key", wait=False) as mine:
        return mine


def test_a_piece_is_claimed_where_the_run_is(two: Two) -> None:
    workspace = Workspace(two.there)
    with workspace.claim("key"):
        assert not two.server.claim("key", "one")
    assert two.server.claim("key", "one")
    assert not two.server.claim("key", "other")
    assert not is_free(workspace)
    two.server.release("key", "other")
    assert not is_free(workspace), "only who has it lets go of it"
    two.server.release("key", "one")
    assert is_free(workspace)


def test_what_a_worker_was_at_is_free_once_it_has_gone(two: Two) -> None:
    """Any process may do the piece next; a late request of the worker that has gone changes nothing."""
    assert two.server.claim("key", "one")
    two.server.remove_worker("one")
    assert is_free(Workspace(two.there))
    assert not two.server.claim("key", "one")
    assert two.server.claim("key", "other")


@pytest.mark.parametrize("label", ["do", "fail"])
def test_a_piece_is_free_once_its_end_is_told(
    label: str, two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may end the process as soon as it is told, and have another process do the piece."""
    monkeypatch.setattr(remote_worker_actor, "WorkspaceClient", lambda server: server)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    piece = ToyPiece(label)
    worker = remote_worker_actor.RemoteWorkerActor(
        PackedPieces.of([piece]), two.server, "one", tmp_path, lambda: None, 0.0, "run toys"
    )
    assert worker._actor._site.workspace.made_by == "run toys", "what a piece leaves there says what made it"
    for batch in worker.work(piece.key):
        with Workspace(two.there).claim(piece.key, wait=False) as mine:
            assert mine == batch.over
    assert bool(batch.failure) == (label == "fail")
    assert (two.there / "toys" / "do").is_file() == (label == "do")


def test_what_a_worker_that_has_gone_was_sending_is_deleted(two: Two) -> None:
    for worker in ("one", "one0"):
        two.server.take(f"{worker}/first", [Part("steps/a", 0, b"the first part of a file")])
    two.server.remove_worker("one")
    assert [*two.server._transfers] == ["one0/first"], "another worker goes on"
    with pytest.raises(WorkError, match="one was declared dead"):
        two.server.take("one/second", [Part("steps/b", 0, b"")])
    two.server.remove_worker("one0")
    assert not [*two.there.iterdir()]


class Answers:
    """What Ray makes of a function, in little: called at once."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def options(self, **_: object) -> Answers:
        return self

    def remote(self, *arguments: object) -> object:
        return self._function(*arguments)


def test_a_process_that_has_ended_leaves_nothing_on_its_machine_and_a_server_that_died_is_one_message(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(server: object, worker: str) -> None:
        raise ActorDiedError

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(remote_workers.ray, "remote", Answers)
    remote = remote_workers.RemoteWorkers([], two.there, Ear())
    vars(remote).update(_server=None, _names={"actor": "run-1", "other": "run-10"})
    folders = [tmp_path / f"{remote_worker_actor.PREFIX}{name}-x" for name in ("run-1", "run-10")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(remote_workers.WorkspaceClient, "remove_worker", lambda server, worker: None)
    remote.clean_up(WorkerSlot(1, {}), "actor")
    assert [folder.exists() for folder in folders] == [False, True]
    monkeypatch.setattr(remote_workers.WorkspaceClient, "remove_worker", died)
    with pytest.raises(WorkError, match=r"died: The actor died .*\n  .*the same command"):
        remote.clean_up(WorkerSlot(1, {}), "other")
