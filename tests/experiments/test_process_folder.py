"""Folders of processes: deleted at their end, by whoever comes next where they were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned, process_folder

KILLED = """
import os, pathlib, signal, sys
from adapter_workbench.experiments.engine.workers.process_folder import process_folder

with process_folder(pathlib.Path(sys.argv[1]), "own-") as folder:
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
    with process_folder(tmp_path, "own-") as mine:
        assert delete_abandoned(tmp_path, "own-") == 2, "it may have been made this second, and be locked in the next"
        assert delete_abandoned(tmp_path, "own-", new=-1.0) == 1
        assert mine.is_dir()
        assert not folder.exists()
    assert not [*tmp_path.iterdir()]
