"""Under which circumstances numbers were made: command, versions, git state, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from workbench.machine.package_versions import PACKAGES
from workbench.settings.plugins import imported_code

PLUGINS = "plugins"  # distributions whose entries were at hand, each with its version and the digest of its code


def provenance(command: str) -> dict[str, str]:
    """Return what a reader needs to repeat a run, as strings."""
    packages = ("adapter-workbench", *PACKAGES, "datasets", "mlflow")
    plugins = imported_code()
    return {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_torch()}",
        "git": git_state(),
        **({PLUGINS: "; ".join(plugins)} if plugins else {}),
    }


def git_state() -> str:
    """Return the commit of the running code, with ``+changes`` if files differ from it; ``not a checkout`` outside.

    A repository that the code merely lies in, as that of a project with an environment of its own, is not meant.
    """
    here = Path(__file__)
    from_the_root = _git(here.parent, "ls-files", "--full-name", "--", here.name)
    commit = _git(here.parent, "rev-parse", "--short=12", "HEAD")
    if from_the_root != here.relative_to(here.parents[2]).as_posix() or not commit:
        return "not a checkout"
    return f"{commit}+changes" if _git(here.parent, "status", "--porcelain", "--untracked-files=no") else commit


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _torch() -> str:
    """Return torch's threads in each process and its device: the last bits of results depend on them, as do times."""
    import torch

    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{torch.get_num_threads()} of them for each process{device}"
