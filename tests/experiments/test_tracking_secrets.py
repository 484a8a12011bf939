"""No command prints a secret that stands in the tracking server's address, wherever in it that is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Call

SECRET = "hunter2"
ADDRESSES = [
    f"http://user:{SECRET}@127.0.0.1:9",
    f"http://{SECRET}@127.0.0.1:9",
    f"http://127.0.0.1:9?password={SECRET}",
    f"http://127.0.0.1:9/?token={SECRET}",
    f"http://127.0.0.1:9/{SECRET}",
    f"http://127.0.0.1:9/#{SECRET}",
    f"databricks://p:{SECRET}@x",
    f"postgresql://user:{SECRET}@127.0.0.1:9/mlflow",
    f"nothing://user:{SECRET}@127.0.0.1:9",
]
EVERYWHERE = f"http://user:{SECRET}@127.0.0.1:9/{SECRET}?token={SECRET}#{SECRET}"
QUICK = [["doctor", "--offline"], ["doctor", "--offline", "--json"], ["ui"], ["adapters", "list"]]
SLOW = [
    ["run", "stream.yaml", "--set", "tasks=[animals]"],
    ["report", "stream", "--log"],
    ["adapters", "register", "animals"],
    ["adapters", "rollback", "animals"],
    ["predict", "animals", "the cat"],
]


def test_no_command_prints_a_secret(recipe: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call("run", str(recipe), "--set", "tasks=[animals]")[0] == 0
    asked = [(address, command) for address in ADDRESSES for command in QUICK]
    asked += [(EVERYWHERE, command) for command in QUICK + SLOW]
    named = 0
    for address, command in asked:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        _, out, err = call(*command)
        assert SECRET not in out + err, (address, command)
        assert "Traceback" not in err
        named += "127.0.0.1:9" in out + err
    assert named > len(ADDRESSES), "else nothing was asked of the server"
