"""Environments of neighbours whose packages do not go together with those of this project, each built once."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "neighbours"
BUILDING_SECONDS = 900
STAMP = "installed.txt"


@dataclass(frozen=True)
class Environment:
    """The Python of a neighbour."""

    folder: Path

    def run(self, program: str, *arguments: str | Path, seconds: float = 300, **variables: str) -> str:
        """Run a program text there, offline and on one thread, and return what it printed; raises with its errors."""
        done = self.called(["-c", program, *map(str, arguments)], seconds, variables)
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def called(
        self, arguments: Sequence[str], seconds: float = 300, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call its interpreter."""
        surroundings = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **(variables or {})}
        python = self.folder / "bin" / "python"
        return subprocess.run(
            [python, *arguments], env=surroundings, capture_output=True, text=True, timeout=seconds, check=False
        )

    def version(self, package: str) -> str:
        """Return the version of a package there."""
        return self.run(f"from importlib.metadata import version; print(version({package!r}))").strip()


@cache
def environment(name: str, *requirements: str) -> Environment:
    """Return an environment with these packages over those of this one, so that torch is not installed twice.

    Built below ``build/neighbours`` at the first call, and again when the requirements change. Where no package
    registry is reached, the test is skipped, and says so.
    """
    folder = BUILT / "environments" / name
    stamp, wanted = folder / STAMP, "\n".join(requirements)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, timeout=BUILDING_SECONDS)
        (site,) = (folder / "lib").glob("python*/site-packages")
        (site / "beneath.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
        installed = Environment(folder).called(
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements], BUILDING_SECONDS
        )
        if installed.returncode:
            pytest.skip(f"{name} cannot be installed here: {installed.stderr.strip()[-500:]}")
        stamp.write_text(wanted, encoding="utf-8")
    return Environment(folder)
