"""What numbers were computed with: command, versions, git state, machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION, PACKAGES
from adapter_workbench.workbench.settings.plugins import imported_code

PLUGINS = "plugins"  # distributions that add entries, each with its version and the digest of its code


def provenance(command: str, jobs: int = 1) -> dict[str, str]:
    """Return what a reader needs to repeat a run by ``jobs`` processes a machine, as strings."""
    packages = (DISTRIBUTION, *PACKAGES, "datasets", "mlflow")
    plugins = imported_code()
    return {
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": ", ".join(f"{name} {version}" for name in packages if (version := installed_version(name))),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_torch(jobs)}",
        "git": git_state(),
        **({PLUGINS: "; ".join(plugins)} if plugins else {}),
    }


def git_state() -> str:
    """Return the commit of the running code, with ``+changes`` if files differ from it; ``not a checkout`` outside.

    The repository of another project that contains this code, for example in its environment, does not count.
    """
    file = Path(__file__)
    path_in_repository = _git(file.parent, "ls-files", "--full-name", "--", file.name)
    commit = _git(file.parent, "rev-parse", "--short=12", "HEAD")
    if path_in_repository != file.relative_to(file.parents[2]).as_posix() or not commit:
        return "not a checkout"
    return f"{commit}+changes" if _git(file.parent, "status", "--porcelain", "--untracked-files=no") else commit


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def threads_of_each(jobs: int) -> int:
    """Return how many threads each of the processes has that share the cores of this machine."""
    import torch

    return max(1, torch.get_num_threads() // jobs)


def _torch(jobs: int) -> str:
    """Return torch's threads in each process and its device: times and rounding depend on them."""
    import torch

    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{threads_of_each(jobs)} of them for each process{device}"
