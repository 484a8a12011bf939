"""How a run tells how far it is and how long it will take, and what a dry run expects."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import adapter_workbench.experiments.terminal.progress as shown
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine.clock import Clock
from adapter_workbench.experiments.engine.piece import Site
from adapter_workbench.experiments.engine.piece_progress import MachineLoad, PieceProgress, report_progress
from adapter_workbench.experiments.engine.work import UNKNOWN, Work, work_of
from adapter_workbench.experiments.engine.workers.inline import FitRecorder, do_piece
from adapter_workbench.experiments.terminal.output import Screen
from adapter_workbench.experiments.terminal.progress import MACHINES, LiveProgress, PlainProgress
from adapter_workbench.experiments.terminal.progress import left as told
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.experiments.workspace.pace import Speed
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.machine.listener import Silent
from tests.conftest import Call
from tests.messages import lacks
from tests.toy_pieces import Toy


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by hand."""
    now = [100.0]
    monkeypatch.setattr(shown.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of 100 columns without colours shows."""
    stream, console = io.StringIO(), Screen(stderr=True)
    console.file, console.width, console._color_system = stream, 100, None
    console._force_terminal = console.is_interactive = True
    monkeypatch.setattr(shown, "stderr", console)
    return stream


def test_the_time_left_is_told_by_the_speed_since_the_beginning(clock: list[float]) -> None:
    run = Clock(Work(0, 4, 100), began=clock[0])
    assert (run.fit_count, told(run)) == ("0/4", ""), "nothing to go by yet"
    with run.fit("first", 50) as reach:
        reach(1)
        reach(25)
        clock[0] += 30
        assert (run.fit_count, told(run)) == ("1/4", "1 min 30 s left")
        with run.fit("second", 10) as other:  # side by side
            other(1)
    assert (run.fit_count, run.done) == ("2/4", 60), "what a fit does not need is not ahead any more"
    with pytest.raises(KeyboardInterrupt), run.fit("third", 40) as reach:
        reach(5)
        raise KeyboardInterrupt
    assert run.done == 60, "its steps are made again"
    assert (Clock(UNKNOWN, {"one"}).fit_count, told(Clock(UNKNOWN, {"one"}))) == ("", "")


def test_work_is_counted_in_one_way() -> None:
    pieces = [Toy("one", updates=8), Toy("two", updates=0), Toy("three", updates=4)]
    assert work_of(pieces) == Work(3, 2, 12)
    assert work_of(pieces[:1]) + work_of(pieces[1:]) == work_of(pieces)
    assert work_of([]) == Work()
    assert (work_of(pieces) + UNKNOWN).updates is None, "what nobody knows is not a part of a number"
    assert Speed(4, 2.0).takes(10) == 5.0
    assert Speed(0, 2.0).takes(10) is None


def test_pieces_that_find_their_fit_made_already_count_as_made(clock: list[float]) -> None:
    run = Clock(Work(0, 8, 80), began=clock[0])
    with run.fit("first", 10) as reach:
        reach(1)
    run.count_pieces(Work(1, 1, 10))
    assert (run.fit_count, run.done) == ("1/8", 10), "counted once"
    clock[0] += 20
    run.count_pieces(Work(4, 4, 40))  # three more, whose adapters the workspace had
    assert (run.fit_count, run.done, told(run)) == ("4/8", 40, "20 s left")
    with run.fit("second", 10) as reach:
        reach(5)
        run.count_pieces(Work(5, 5, 50))  # by another process
        assert (run.fit_count, run.done) == ("6/8", 55)
    assert run.done == 60


def test_only_steps_that_were_made_tell_the_speed(clock: list[float]) -> None:
    run = Clock(Work(0, 3, 300), began=clock[0])
    with pytest.raises(InterruptedError), run.fit("first", 100) as reach:
        reach(1)
        reach(10)
        clock[0] += 10
        raise InterruptedError
    assert (run.done, told(run)) == (0, "5 min 00 s left"), "300 steps, of which 10 took 10 s"
    with run.fit("first", 100) as reach:
        reach(91)  # a checkpoint has 90
        clock[0] += 1
        assert (run.done, told(run)) == (91, "3 min 29 s left")
    with run.fit("second", 100):
        clock[0] += 1  # a checkpoint has all of it
    assert (run.done, told(run)) == (200, "1 min 00 s left")


def test_plain_lines_tell_place_loss_and_time_left(clock: list[float], screen: io.StringIO) -> None:
    listener = PlainProgress(Clock(Work(0, 2, 20), began=clock[0]))
    with listener.fit("lora [x]", 5) as advance:
        advance(1, 0.2, 1.0)
        advance(5, 1.0, 0.75)
        clock[0] += 10
    with listener.fit("lora [x]", 5) as advance:  # another setting of the same fit
        advance(1, 0.2, 1.0)
        advance(5, 1.0, 0.5)
    assert screen.getvalue().splitlines() == [
        "1/2 lora [x]: 5 steps",
        "1/2 lora [x]: done, last loss 0.750, 30 s left",
        "1/2 lora [x]: 5 steps",
        "1/2 lora [x]: done, last loss 0.500, 10 s left",  # one fit of the plan, and all of its steps
    ]


def test_a_fit_that_goes_on_at_its_end_has_no_loss(clock: list[float], screen: io.StringIO) -> None:
    listener = PlainProgress(Clock(Work(0, 1, 5), began=clock[0]))
    with listener.fit("lora", 5):
        pass  # it was killed behind its last checkpoint, which has all of it
    assert screen.getvalue().splitlines()[-1].startswith("1/1 lora: done")
    assert "loss" not in screen.getvalue()


def test_the_live_display_shows_run_and_fit(clock: list[float], screen: io.StringIO) -> None:
    listener = LiveProgress("stream", Clock(Work(0, 3, 40), began=clock[0]))
    with listener.bars, listener.fit("ties[d=0.3] [/x]", 10) as advance:
        clock[0] += 5
        advance(1, 0.2, 1.0)
        advance(10, 2.0, 0.25)
        listener.bars.refresh()
        listener.say("[/y] is done")
    run, fit = ("stream 1/3", "10/40", "15 s left"), ("ties[d=0.3] [/x]", "10/10", "epoch 2.0 loss 0.25")
    for part in (*run, *fit, "[/y] is done"):
        assert part in screen.getvalue(), part


def test_the_live_display_shows_pieces_and_machines(clock: list[float], screen: io.StringIO) -> None:
    listener = LiveProgress("stream", Clock(UNKNOWN))
    drawn = []
    with listener.bars:
        for done, machines in (
            (1, [MachineLoad("10.0.0.1", 2, 2), MachineLoad("10.0.0.2", 1, 2)]),
            (2, [MachineLoad("10.0.0.2", 1, 2)]),
        ):
            screen.truncate(screen.seek(0))
            report_progress(listener, PieceProgress(Work(done), 3, 8, machines))
            listener.bars.refresh()
            drawn.append(screen.getvalue())
    for part in ("pieces", "1/12", "3 running", "10.0.0.1", "2/2", "10.0.0.2", "1/2"):
        assert part in drawn[0], part
    assert ("2/13" in drawn[1], "10.0.0.2" in drawn[1]) == (True, True)
    assert "10.0.0.1" not in drawn[1], "a machine that has gone"


def test_plain_lines_tell_once_a_minute_where_pieces_stand(clock: list[float], screen: io.StringIO) -> None:
    listener = PlainProgress(Clock(UNKNOWN))
    many = [MachineLoad(f"10.0.0.{number}", 1, 2) for number in range(MACHINES + 1)]
    for minute in range(3):
        clock[0] += 40
        report_progress(listener, PieceProgress(Work(minute), 9, 1, many if minute else many[:1]))
    clock[0] += 40
    report_progress(listener, PieceProgress(Work(1000), 1, 0, many[:1]))
    assert screen.getvalue().splitlines() == [
        "1 of 11 pieces done, 9 running; 9 machines: 9 of 18 busy",
        "1,000 of 1,001 pieces done, 1 running; 10.0.0.0: 1 of 2 busy",
    ]


def test_a_dry_run_expects_what_was_measured(call: Call, recipe: Path, tmp_path: Path) -> None:
    small = ["run", str(recipe), "--set", "tasks=[animals]"]
    code, out, _ = call(*small, "--dry-run", "--json")
    assert (code, json.loads(out)["expected_seconds"]) == (0, None)
    out = call(*small, "--dry-run")[1]
    assert not lacks(out, "Time: not known", "--dry-run --measure"), out
    assert "--measure" not in call(*small, "--dry-run", "--measure")[1]
    code, _, err = call(*small)
    assert code == 0
    assert "2/2 sequential · seed 0 · stage 1 · animals: 8 steps" in err
    assert json.loads(call(*small, "--dry-run", "--json")[1])["expected_seconds"] == 0, "nothing is left to train"

    lines = (tmp_path / ".workbench" / "pace.jsonl").read_text().splitlines()
    work = [json.loads(line) for line in lines]
    pace = {line["pace"]: line["seconds"] / line["updates"] for line in work}
    assert len(pace) == 2, "a seed each of isolated and sequential"
    other = ["run", str(recipe), "--set", "tasks=[animals, halves]", "--set", "name=other", "--set", "seeds=[1]"]
    document = json.loads(call(*other, "--dry-run", "--json")[1])
    for piece in document["pieces"]:
        (own,) = [seconds for name, seconds in pace.items() if f" {piece['label']} " in name]
        assert piece["expected_seconds"] == pytest.approx(piece["optimiser_steps"] * own, abs=0.1)
    assert document["expected_seconds"] == pytest.approx(sum(piece["expected_seconds"] for piece in document["pieces"]))
    assert "at the speed of earlier work" in call(*other, "--dry-run")[1]
    wider = json.loads(call(*other, "--dry-run", "--json", "--set", "budget.max_length=32")[1])
    assert wider["expected_seconds"] is None, "longer texts take longer"


@dataclass(frozen=True)
class FittingPiece(Toy):
    """A piece that tells of ``steps`` of a fit, if there are any."""

    steps: tuple[int, ...] = ()

    def is_done(self, workspace: Workspace) -> bool:
        return (workspace.root / "done").is_file()

    def work(self, site: Site) -> None:
        if self.steps:
            with site.listener.fit(self.label, self.updates) as advance:
                for step in self.steps:
                    advance(step, 1.0, 0.5)
        (site.workspace.root / "done").touch()


@pytest.mark.parametrize(
    ("updates", "steps", "noted"),
    [
        (2, (1, 2), True),
        (2, (2,), False),  # goes on from a checkpoint
        (2, (), False),  # its fit was there already
        (0, (), True),
    ],
)
def test_only_pieces_that_make_their_fits_tell_how_long_others_take(
    updates: int, steps: tuple[int, ...], noted: bool, tmp_path: Path
) -> None:
    piece, site = FittingPiece("fit", updates=updates, steps=steps), Site(Workspace(tmp_path), Silent())
    assert do_piece(piece, site)
    assert site.workspace.pace.file.is_file() == noted
    assert not do_piece(piece, site), "it is done"


def test_a_fit_that_broke_off_tells_no_speed() -> None:
    fits = FitRecorder(Silent())
    with suppress(TrainingError), fits.fit("diverged", 2) as advance:
        advance(1, 1.0, 0.5)
        raise TrainingError("the loss is not a number")
    assert not fits.made_all(2)


def test_a_dry_run_times_steps_of_what_was_never_done(call: Call, recipe: Path, tmp_path: Path) -> None:
    small = ["run", str(recipe), "--set", "tasks=[animals]", "--dry-run"]
    code, out, err = call(*small, "--measure", "--json")
    assert code == 0
    document = json.loads(out)
    assert err.count("are timed") == len({piece["label"] for piece in document["pieces"]}), "each kind once"
    for piece in document["pieces"]:
        assert piece["expected_from_steps"]
        assert piece["expected_seconds"] >= 0
    assert document["expected_seconds"] >= 0, "rounded: these take milliseconds"
    assert not (tmp_path / ".workbench").exists(), "nothing is kept of it"
    assert "steps that were timed; tests come on top" in call(*small, "--measure")[1]
    bench = Workbench(tmp_path / "ws", [tmp_path / "tasks"])
    steps = [piece.effort.steps for piece in bench.pieces(bench.plan(str(recipe)))]
    assert len({step.key for step in steps if step}) < len(steps), "those of one kind are made once"
    assert steps[0]
    speed = steps[0].speed()
    assert speed
    assert 0 < (speed.takes(1) or 0) < 5
    code, _, err = call("run", str(recipe), "--measure")
    assert (code, "Add --dry-run" in err) == (2, True)
