"""A run that is told to end says that it goes on later, and leaves nothing half-written behind."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from tests.conftest import Call
from tests.messages import lacks


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_run_that_is_told_to_end_says_one_line(
    number: int, code: int, recipe: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(os, "fsync", end)
    exit_code, _, err = call("run", str(recipe))
    assert exit_code == code
    assert lacks(err.splitlines()[-1], "Stopped. ", "the same command") == []
    assert "Traceback" not in err
    assert not [path for path in tmp_path.rglob(".*.*") if path.name.count(".") > 1], "nothing is left half-written"
