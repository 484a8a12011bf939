"""Folders of processes: deleted at their end, by whoever comes next where they were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from experiments.engine.workers.own_folder import own_folder, sweep

KILLED = """
import os, pathlib, signal, sys
from experiments.engine.workers.own_folder import own_folder

with own_folder(pathlib.Path(sys.argv[1]), "own-") as folder:
    (folder / "state").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_and_what_lives_stays(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "PYTHONPATH": root}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    (folder,) = tmp_path.iterdir()
    with own_folder(tmp_path, "own-") as mine:
        assert sweep(tmp_path, "own-") == 2, "it may have been made this second, and be locked in the next"
        assert sweep(tmp_path, "own-", new=-1.0) == 1
        assert mine.is_dir()
        assert not folder.exists()
    assert not [*tmp_path.iterdir()]
