"""A run that is told to end says that it goes on later, and leaves nothing half-written and no helper behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from queue import Queue

import pytest

from experiments.engine.side_by_side import helped
from experiments.workspace import Workspace
from tests.conftest import Call
from workbench import atomic
from workbench.listener import Listener, Silent


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_told_to_end_says_one_line(
    number: int, code: int, recipe: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(path: Path) -> None:
        if path.is_dir():
            os.kill(os.getpid(), number)

    monkeypatch.setattr(atomic, "_fsync", end)
    found, _, err = call("run", str(recipe))
    assert found == code
    assert err.splitlines()[-1] == "Stopped. What was finished is kept; the same command goes on from there."
    assert "Traceback" not in err
    assert not [path for path in tmp_path.rglob(".*.*") if path.name.count(".") > 1], "nothing is left half-written"


def write_slowly(workspace: Workspace, listener: Listener) -> None:
    """What a helper is at when its run ends."""
    with atomic.written_whole(workspace.root / "steps" / "key") as folder:
        (folder / "half").write_text("half")
        listener.say("ready")
        time.sleep(60)


def test_a_helper_ends_with_the_run_and_leaves_nothing(tmp_path: Path) -> None:
    heard: Queue[str] = Queue()
    ear = Silent()
    ear.say = heard.put  # type: ignore[method-assign]
    with helped(write_slowly, Workspace(tmp_path), ear, jobs=2):
        assert heard.get(timeout=120) == "ready"
        assert len(list((tmp_path / "steps").iterdir())) == 2, "a folder, and its lock"
    assert not list((tmp_path / "steps").iterdir())
    assert not multiprocessing.active_children()
