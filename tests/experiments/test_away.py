"""Files that pieces read and write travel between workspaces: all or none, once, and never to a path outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from experiments.engine.workers.away import arrival, crew, hand
from experiments.engine.workers.away.backbones import ModelFiles, brought
from experiments.engine.workers.away.changes import Changes
from experiments.engine.workers.away.courier import Courier
from experiments.engine.workers.away.desk import Desk
from experiments.engine.workers.away.files import MESSAGE, Part, names, parts
from experiments.engine.workers.away.packed import PackedPieces
from experiments.engine.workers.slot import Slot
from experiments.workspace import Workspace
from tests.ear import Ear
from tests.toy_pieces import ToyPiece
from workbench.errors import IntegrityError, WorkError
from workbench.files import atomic

OUTSIDE = ("../x", "/etc/passwd", "steps/../../x", "steps/.lock", "steps//x", "", ".", "a\\b/c", "steps/a\nb", "link/x")


class Line(Desk):
    """A desk that counts what goes over it, and may break."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, PackedPieces.of([]))
        self.sent: list[str] = []
        self.fetched: list[str] = []
        self.breaks = False

    def parts(self, wanted: Sequence[str]) -> Iterator[list[Part]]:
        self.fetched += wanted
        return super().parts(wanted)

    def take(self, transfer: str, some: Sequence[Part]) -> None:
        self.sent += [part.name for part in some]
        super().take(transfer, [part for part in some if not (self.breaks and part.sha256)])


class Two:
    """The workspace of a run, and that of a process on another machine."""

    def __init__(self, folder: Path) -> None:
        self.there, self.here = folder / "there", folder / "here"
        self.there.mkdir()
        self.line = Line(self.there)
        self.courier = Courier(self.line, self.here, "one")

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
        lambda: two.line.take("one", [Part(name, 0, b"theirs", "0" * 64)]),
        lambda: two.line.settle("two", Changes((), frozenset(), (name,)), ""),
        lambda: [*two.line.parts([name])],
        lambda: two.line.claim(f"../{name}", "one"),
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
    two.courier.send()
    assert contents(two.there) == {"evaluations/a/scores": b"1", "pieces/a": b"done", "pace.jsonl": b"{}\n"}
    assert (two.there / "steps" / "a" / "heads").is_dir(), "an empty folder is a part of a state"
    sent = [*two.line.sent]
    two.courier.send()
    assert two.line.sent == sent
    two.write(two.here, steps__a__outcome="2")
    two.courier.send()
    assert two.line.sent[len(sent) :] == ["steps/a/outcome"]


def test_what_is_read_is_brought_once(two: Two) -> None:
    two.write(two.there, steps__a__state__body="1", steps__a__fit="2", steps__b__fit="3")
    for _ in range(2):
        two.courier.begin()
        two.courier.fetch(two.here / "steps" / "a" / "state" / "body")
    assert contents(two.here) == {"steps/a/state/body": b"1", "steps/a/fit": b"2"}
    assert sorted(two.line.fetched) == ["steps/a/fit", "steps/a/state/body"]
    two.courier.send()
    assert not two.line.sent, "what came from there does not go back"


class Shelf:
    """Has one backbone, of one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def model_files(self, number: int) -> ModelFiles:
        return ModelFiles("key", {"config.json": self._file})

    def model_parts(self, number: int) -> Iterator[list[Part]]:
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
    folder: Any = brought(backbone, 0, Shelf(tmp_path / "config.json"))
    assert contents(folder) == {"config.json": b"{}"}
    assert sorted(path.name for path in folder.parent.iterdir()) == ["key", "key.lock"]


def test_what_a_piece_deletes_or_makes_again_is_so_on_both_sides(two: Two) -> None:
    two.write(two.there, steps__a__state__body__w="1", steps__a__state__heads__h="2", steps__a__fit="damaged")
    two.courier.fetch(two.here / "steps" / "a")
    atomic.remove_whole(two.here / "steps" / "a" / "state" / "body")
    atomic.write_whole(two.here / "steps" / "a" / "fit", "mended")
    two.courier.fetch(two.here / "steps" / "a")
    two.courier.send()
    assert contents(two.there) == contents(two.here) == {"steps/a/state/heads/h": b"2", "steps/a/fit": b"mended"}
    assert not (two.there / "steps" / "a" / "state" / "body").exists()


def test_what_somebody_else_completed_meanwhile_stays(two: Two) -> None:
    two.write(two.here, adapters__a__weights="mine", adapters__a__manifest="mine", steps__a__outcome2="mine")
    two.write(two.there, adapters__a__weights="theirs", adapters__a__manifest="theirs", steps__a__outcome1="theirs")
    two.courier.send()
    files = contents(two.there)
    assert files["adapters/a/weights"] == files["adapters/a/manifest"] == b"theirs"
    assert (files["steps/a/outcome1"], files["steps/a/outcome2"]) == (b"theirs", b"mine")


def test_a_line_that_breaks_leaves_nothing_and_the_next_time_all(two: Two) -> None:
    two.write(two.there, pieces__old="old")
    two.write(two.here, steps__a__big="x" * (MESSAGE + 5), pieces__a="done")
    two.line.breaks = True
    with pytest.raises(IntegrityError, match="not all files"):
        two.courier.send()
    assert contents(two.there) == {"pieces/old": b"old"}
    assert [path.name for path in two.there.iterdir()] == ["pieces"], "nothing half-written is left"
    two.line.breaks = False
    two.courier.send()
    assert contents(two.there) == {"pieces/old": b"old", **contents(two.here)}


@pytest.mark.parametrize("wrong", [{"content": b"forged"}, {"offset": 3}, {"sha256": "0" * 64}])
def test_a_file_that_is_not_what_was_sent_is_refused(wrong: dict[str, Any], two: Two, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"honest")
    (((part,)),) = parts([("steps/a", tmp_path / "f")])
    with pytest.raises(IntegrityError, match=r"steps/a: "):
        two.line.take("t", [replace(part, **wrong)])
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
    monkeypatch.setattr(arrival.atomic, "put_whole", put)
    with pytest.raises(KeyboardInterrupt):
        two.courier.send()
    assert contents(two.there) == {"trials/z/outcomes": b"1", "trials/z/result": b"2"}


def is_free(workspace: Workspace) -> bool:
    with workspace.claimed("key", wait=False) as mine:
        return mine


def test_a_piece_is_claimed_where_the_run_is(two: Two) -> None:
    workspace = Workspace(two.there)
    with workspace.claimed("key"):
        assert not two.line.claim("key", "one")
    assert two.line.claim("key", "one")
    assert not two.line.claim("key", "other")
    assert not is_free(workspace)
    two.line.release("key", "other")
    assert not is_free(workspace), "only who has it lets go of it"
    two.line.release("key", "one")
    assert is_free(workspace)


def test_what_a_worker_was_at_is_free_once_it_has_gone(two: Two) -> None:
    """Any process may do the piece next; a late request of the worker that has gone changes nothing."""
    assert two.line.claim("key", "one")
    two.line.forget("one")
    assert is_free(Workspace(two.there))
    assert not two.line.claim("key", "one")
    assert two.line.claim("key", "other")


@pytest.mark.parametrize("label", ["do", "fail"])
def test_a_piece_is_free_once_its_end_is_told(
    label: str, two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run may end the process as soon as it is told, and have another process do the piece."""
    monkeypatch.setattr(hand, "RemoteDesk", lambda desk: desk)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    piece = ToyPiece(label)
    worker = hand.AwayHand(PackedPieces.of([piece]), two.line, "one", tmp_path, lambda: None, 0.0)
    for heard in worker.work(piece.key):
        with Workspace(two.there).claimed(piece.key, wait=False) as mine:
            assert mine == heard.over
    assert bool(heard.failure) == (label == "fail")
    assert (two.there / "toys" / "do").is_file() == (label == "do")


def test_what_a_worker_that_has_gone_was_sending_is_deleted(two: Two) -> None:
    for worker in ("one", "one0"):
        two.line.take(f"{worker}/first", [Part("steps/a", 0, b"the first part of a file")])
    two.line.forget("one")
    assert [*two.line._arrivals] == ["one0/first"], "another worker goes on"
    with pytest.raises(WorkError, match="has ended"):
        two.line.take("one/second", [Part("steps/b", 0, b"")])
    two.line.forget("one0")
    assert not [*two.there.iterdir()]


class Answers:
    """What Ray makes of a function, in little: called at once."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def options(self, **_: object) -> Answers:
        return self

    def remote(self, *given: object) -> object:
        return self._function(*given)


def test_a_process_that_has_ended_leaves_nothing_on_its_machine_and_a_desk_that_died_is_one_message(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(desk: object, worker: str) -> None:
        raise ActorDiedError

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(crew.ray, "remote", Answers)
    away = crew.Away([], two.there, Ear())
    vars(away).update(_desk=None, _names={"hand": "run-1", "other": "run-10"})
    folders = [tmp_path / f"{hand.PREFIX}{name}-x" for name in ("run-1", "run-10")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setattr(crew.RemoteDesk, "forget", lambda desk, worker: None)
    away.forget(Slot(1, {}), "hand")
    assert [folder.exists() for folder in folders] == [False, True]
    monkeypatch.setattr(crew.RemoteDesk, "forget", died)
    with pytest.raises(WorkError, match=r"died: The actor died .*\n  .*the same command"):
        away.forget(Slot(1, {}), "other")
