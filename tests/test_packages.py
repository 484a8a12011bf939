"""What a wheel has: every package of the four, and nothing of the programs that measure."""

from __future__ import annotations

import subprocess
import tomllib

from setuptools import find_packages

from bench import program
from tests.modules import ROOT, house, name_of


def test_a_wheel_has_every_package_but_the_measuring_programs() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = configuration["tool"]["setuptools"]["packages"]["find"]
    packages = {name_of(file.parent.relative_to(ROOT)) for file in house()}
    assert set(find_packages(str(ROOT), include=patterns["include"])) == packages
    assert len(packages) > 30


def test_a_measurement_begins_its_own_module_in_a_checkout() -> None:
    """Nothing of it is installed, so the current folder has to be searched."""
    command = [*program.ITSELF, "bench.quantised", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m bench.quantised" in done.stdout
