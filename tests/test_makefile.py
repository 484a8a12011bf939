"""`make` looks for a Python that is new enough before it makes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
@pytest.mark.parametrize(("recent", "code"), [(None, 2), ("python3.12", 0)])
def test_a_python_that_is_too_old_leaves_nothing_behind(recent: str | None, code: int, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        done = f'exec {sys.executable} "$@"' if name == recent else "exit 1"
        (programs / name).write_text(f"#!/bin/sh\n{done}\n")
        (programs / name).chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    command = ["make", ".venv/bin/python", *(["--dry-run"] if recent else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert done.returncode == code, done.stderr
    assert ("python3.12 -m venv" in done.stdout) if recent else ("Python 3.11 or newer is needed" in done.stderr)
    assert not (tmp_path / ".venv").exists()
