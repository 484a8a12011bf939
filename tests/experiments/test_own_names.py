"""Files of a person that are called as our packages are: the command runs all the same, an import says what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import adapter_workbench

ROOT = Path(adapter_workbench.__file__).parent
COMMAND = "from adapter_workbench import main; main()"


def python(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a person's folder before the installation, as ``PYTHONPATH`` and notebooks put it."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


def test_the_command_takes_its_own_packages(tmp_path: Path) -> None:
    for name in ("tasks.py", "workbench.py", "fusion/__init__.py", "experiments/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('the file of a person was run')\n")
    done = python(tmp_path, COMMAND, "compositions", "list", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ties" in {entry["name"] for entry in json.loads(done.stdout)}
    done = python(tmp_path, COMMAND, "tasks", "list", "--json")
    assert (done.returncode, "bbc-news" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize("name", ["tasks.py", "workbench.py", "fusion/nothing.py"])
def test_an_import_names_the_file_in_the_way(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("own = 1\n")
    (tmp_path / "fusion").mkdir(exist_ok=True)
    (tmp_path / "fusion" / "__init__.py").touch() if name.startswith("fusion") else (tmp_path / "fusion").rmdir()
    done = python(tmp_path, "import experiments.api")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert str(tmp_path / name.partition("/")[0]) in last
    assert "`import adapter_workbench`" in last


def test_an_import_of_the_distribution_comes_first(tmp_path: Path) -> None:
    for name in ("tasks.py", "workbench.py"):
        (tmp_path / name).write_text("own = 1\n")
    program = "import adapter_workbench; from experiments.engine.recipes import RECIPES; print(RECIPES.names())"
    done = python(tmp_path, program)
    assert "quickstart" in done.stdout, done.stderr


def test_what_was_imported_before_is_named(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("own = 1\n")
    done = python(tmp_path, "import tasks, adapter_workbench")
    assert "tasks was imported from" in done.stderr
    assert str(tmp_path / "tasks.py") in done.stderr


def test_a_folder_of_task_files_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    program = (
        "import sys, importlib.machinery\n"
        "own = sys.path.pop(2)\n"  # found after all folders, as a package that is installed for editing
        "class Editable:\n"
        "    find_spec = staticmethod(lambda name, path=None, target=None: None if '.' in name else"
        " importlib.machinery.PathFinder.find_spec(name, [own]))\n"
        "sys.meta_path.append(Editable)\n"
        "from experiments.engine import recipes; from tasks.loading import registry; print(len(registry.names()))"
    )
    done = python(tmp_path, program)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 30
