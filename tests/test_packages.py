"""What a wheel has: every package of the four, and nothing of the programs that measure."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

from setuptools import find_packages

from bench import program

ROOT = Path(__file__).parents[1]
INSTALLED = ("workbench", "tasks", "fusion", "experiments")


def test_a_wheel_has_every_package_but_the_measuring_programs() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = configuration["tool"]["setuptools"]["packages"]["find"]
    folders = {file.parent for name in INSTALLED for file in (ROOT / name).rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(find_packages(str(ROOT), include=patterns["include"])) == packages
    assert len(packages) > 30


def test_a_measurement_begins_its_own_module_in_a_checkout() -> None:
    """Nothing of it is installed, so the current folder has to be searched."""
    command = [*program.ITSELF, "bench.quantised", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m bench.quantised" in done.stdout
