"""Programs in the current folder: none is run by the processes that the workbench starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapter_workbench.workbench.errors import AssetError
from adapter_workbench.workbench.files import wheel
from adapter_workbench.workbench.machine.interpreter import PYTHON, safe_path
from tests.hostile_folder import hostile_folder


@pytest.fixture
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a hostile folder the current one, and return the file that must not be there in the end."""
    folder, canary_file = hostile_folder(tmp_path)
    monkeypatch.chdir(folder)
    return canary_file


def test_the_canary_sings(canary: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    subprocess.run([sys.executable, "-m", "pip"], check=False, env=environment, capture_output=True)
    assert "pip" in canary.read_text(encoding="utf-8")


def test_pip_is_the_one_of_the_environment(canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(AssetError, match="cannot download no-such-package"):
        wheel._download("no-such-package==1", tmp_path)
    assert not canary.exists()


def test_grandchildren_know_it_from_the_environment(canary: Path) -> None:
    child = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'import secrets'], check=True)"
    with safe_path():
        subprocess.run([*PYTHON, "-c", child], check=True)
    assert not canary.exists()
    assert "PYTHONSAFEPATH" not in os.environ


def test_what_a_person_set_themselves_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "yes")
    with safe_path():
        assert os.environ["PYTHONSAFEPATH"] == "1"
    assert os.environ["PYTHONSAFEPATH"] == "yes"
