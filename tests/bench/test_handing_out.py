"""A plan of many pieces is planned, handed out and resumed, and the run's own process is not the bottleneck."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE

pytest.importorskip("ray", reason="the package ray is not installed")

ROOT = Path(__file__).parents[2]


def handed_out(pieces: int, folder: Path) -> dict[str, Any]:
    """Return what the measurement says of a run in a process of its own, whose memory is nobody else's."""
    out = folder / "out.json"
    command = [sys.executable, "-m", "bench.handing_out", "--out", str(out), "--pieces", str(pieces)]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    measured: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return measured


@pytest.mark.acceptance
def test_many_pieces_are_handed_out_and_resumed_in_a_gigabyte(tmp_path: Path) -> None:
    measured = handed_out(10_000, tmp_path)
    assert 10_000 - measured["jobs"] <= measured["told_as_done"], "all but what was done while the run broke off"
    assert measured["peak_mb"] < 1000, measured
