"""Temporary folders: nobody else reads them, and those of killed processes are deleted by the next one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from adapter_workbench.workbench.files.scratch import scratch_folder
from tests.conftest import environment

KILLED = """
import os, signal
from adapter_workbench.workbench.files.scratch import scratch_folder

with scratch_folder() as folder:
    (folder / "weights").write_bytes(b"x" * 1000)
    os.kill(os.getpid(), signal.SIGKILL)
"""
ROOT = Path(__file__).parents[2]
PACKAGES = ("workbench", "tasks", "fusion", "experiments")
OWN_SWEEPING = {  # each deletes what killed processes left, or writes into a draft that is swept with all that is in it
    "workbench/files/scratch.py",
    "experiments/engine/workers/local_ray.py",
    "experiments/engine/workers/process_folder.py",
    "experiments/engine/workers/remote/remote_worker_actor.py",
    "experiments/engine/workers/remote/remote_workers.py",
    "experiments/strategies/_trials.py",
}


def test_what_a_killed_process_left_is_deleted_and_what_lives_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run(command, cwd=ROOT, env=environment(TMPDIR=str(tmp_path)), check=False)
    assert done.returncode == -signal.SIGKILL
    (of_another := tmp_path / "tmp123").mkdir()
    assert len([*tmp_path.iterdir()]) == 3, "a folder and its lock"
    with scratch_folder() as living:
        with scratch_folder() as folder:
            assert {path for path in tmp_path.iterdir() if path.is_dir()} == {of_another, living, folder}
            assert folder.stat().st_mode & 0o777 == 0o700
        assert living.is_dir()
    assert [*tmp_path.iterdir()] == [of_another]


def test_whatever_writes_to_the_temporary_folder_is_swept() -> None:
    uses = re.compile(r"\btempfile\.|\bTemporaryDirectory\(|\bmkdtemp\(")
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    found = {path.relative_to(ROOT).as_posix() for path in files if uses.search(path.read_text(encoding="utf-8"))}
    assert found == OWN_SWEEPING
