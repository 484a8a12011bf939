"""Tiers of tests: what a full run measures, and what a change reaches, in a small house of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.modules import ROOT
from tests.tiers.measured import Measured, order
from tests.tiers.recording import packed, unpacked

HOUSE = {
    "adapter_workbench/__init__.py": "",
    "workbench/__init__.py": "",
    "workbench/rates.py": "RATE = 3\n",
    "workbench/near.py": "from adapter_workbench.workbench.rates import RATE\n\n\ndef near():\n    return RATE\n",
    "workbench/far.py": "STEP = 1\n\n\ndef far():\n    return 2\n",
    "workbench/__main__.py": "from adapter_workbench.workbench.far import far\n\nprint(far())\n",
    "workbench/words.txt": "many\n",
    "tests/__init__.py": "",
    "tests/conftest.py": "pytest_plugins = ['tests.tiers.plugin']\n",
    "tests/test_near.py": """import time, pytest
from adapter_workbench.workbench.near import near

@pytest.mark.parametrize("rate", [1, 2])
def test_near(rate):
    time.sleep(0.6)
    assert near() == 3

def test_cheap():
    pass
""",
    "tests/test_far.py": """import subprocess, sys, time
def test_by_a_program():
    time.sleep(2.5)
    subprocess.run([sys.executable, "-m", "adapter_workbench.workbench"], check=True)
""",
    "tests/test_words.py": """import time
from pathlib import Path
import pytest

@pytest.fixture(scope="module")
def words():
    return (Path(__file__).parents[1] / "workbench" / "words.txt").read_text()

def test_cheap(words):
    pass

def test_words(words):
    time.sleep(0.6)
    assert words
""",
    "pyproject.toml": "[tool.pytest.ini_options]\nmarkers = ['dear', 'acceptance', 'neighbour']\n",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which a full run was recorded."""
    root = tmp_path_factory.mktemp("house")
    for name, text in HOUSE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "adapter_workbench" / "workbench").symlink_to("../workbench")
    shutil.copytree(ROOT / "tests" / "tiers", root / "tests" / "tiers", ignore=shutil.ignore_patterns("measured.json"))
    shutil.copy(ROOT / "tests" / "modules.py", root / "tests")
    git(root, "init", "-q")
    commit(root)
    assert "6 passed" in run(root, "--record", "parts")
    program = [sys.executable, "-m", "tests.tiers.recording", "parts"]
    subprocess.run(program, cwd=root, check=True, env=environment(root))
    shutil.rmtree(root / "parts")
    commit(root)
    return root


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}


def git(root: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")


def run(root: Path, *options: str) -> str:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rA", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, env=environment(root))
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return done.stdout


def passed(output: str) -> set[str]:
    lines = output.splitlines()
    return {line.split("::")[1].partition("[")[0] for line in lines if line.startswith("PASSED")}


def test_dear_is_what_took_long(house: Path) -> None:
    assert passed(run(house, "-m", "dear")) == {"test_near", "test_by_a_program", "test_words"}
    assert passed(run(house, "-m", "not dear")) == {"test_cheap"}


@pytest.mark.parametrize(
    ("path", "text", "tests"),
    [
        ("workbench/near.py", HOUSE["workbench/near.py"].replace("return RATE", "return 0 + RATE"), {"test_near"}),
        ("workbench/rates.py", "RATE = 1 + 2\n", {"test_near"}),  # no function is in it: what imports it
        ("workbench/far.py", HOUSE["workbench/far.py"].replace("return 2", "return 3"), {"test_by_a_program"}),
        ("workbench/words.txt", "few\n", {"test_words"}),
        ("tests/test_words.py", HOUSE["tests/test_words.py"] + "\n", {"test_words"}),
        ("README.md", "nobody reads it\n", set()),
        ("pyproject.toml", HOUSE["pyproject.toml"] + "\n", {"test_near", "test_by_a_program", "test_words"}),
    ],
    ids=["function", "import", "other process", "read", "test", "nothing", "core"],
)
def test_a_change_reaches_what_ran_it_or_read_it(path: str, text: str, tests: set[str], house: Path) -> None:
    before = (house / path).read_text() if (house / path).exists() else None
    (house / path).write_text(text)
    try:
        said = run(house, "--reached", "-m", "dear")
    finally:
        if before is None:
            (house / path).unlink()
        else:
            (house / path).write_text(before)
    assert passed(said) == tests
    left = {"near": "test_near", "far": "test_by_a_program", "words": "test_words"}
    assert {test for name, test in left.items() if f"s  tests/test_{name}.py" in said} == set(left.values()) - tests


def test_a_commit_that_is_not_known_reaches_everything(house: Path) -> None:
    assert len(passed(run(house, "--reached", "0" * 40, "-m", "dear"))) == 3


def test_one_test_stands_for_a_file_that_is_dear_throughout() -> None:
    seconds = {"a.py::one": 1.0, "a.py::two": 0.9, "b.py::dear": 3.0, "c.py::dear": 0.7}
    assert Measured(seconds=seconds).spared([*seconds, "c.py::cheap"]) == {"a.py::two"}


def test_what_was_reached_is_written_and_read() -> None:
    for reach in ({}, {"a::b": set()}, {"a::b": {"c.py", "d.py"}, "a::e": {"d.py"}}):
        assert unpacked(packed(reach)) == reach


def test_what_takes_longest_comes_first() -> None:
    measured = Measured(seconds={"tests/b.py::one": 30.0, "tests/b.py::two": 30.0, "tests/c.py::one": 90.0})
    assert [*order(measured, ["tests/a.py", "tests/b.py", "tests/c.py"])] == ["tests/c.py", "tests/b.py", "tests/a.py"]


def test_a_newer_package_reaches_everything() -> None:
    measured = Measured(environments=[{"torch": "2.13", "peft": "0.21"}, {"torch": "2.13", "peft": "0.22"}])
    assert not measured.newer({"torch": "2.13", "peft": "0.22"})
    assert measured.newer({"torch": "2.14", "peft": "0.22"}) == "torch 2.13 → 2.14"
    assert not Measured().newer({"torch": "2.13"}), "nothing was measured: all commits are unknown"
