"""What a record says of the code that made it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from adapter_workbench.experiments.engine import provenance
from adapter_workbench.experiments.engine.workers import workers


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def copied(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the code from a copy below ``root``."""
    copy = root / "experiments" / "engine" / "provenance.py"
    copy.parent.mkdir(parents=True)
    shutil.copy(Path(provenance.__file__), copy)
    monkeypatch.setattr(provenance, "__file__", str(copy))
    return copy


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "notes.txt").write_text("of somebody's own project", encoding="utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "notes")
    return tmp_path


def test_the_commit_is_that_of_the_project_s_own_checkout(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = copied(repository, monkeypatch)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "the workbench")
    commit = git(repository, "rev-parse", "--short=12", "HEAD")
    assert provenance.git_state() == commit
    copy.write_text("changed", encoding="utf-8")
    assert provenance.git_state() == f"{commit}+changes"


def test_a_repository_that_the_package_is_installed_in_is_not_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(repository / ".venv" / "site-packages", monkeypatch)
    assert provenance.git_state() == "not a checkout"
    git(repository, "add", "--force", ".")
    git(repository, "commit", "--quiet", "--message", "with its environment")
    assert provenance.git_state() == "not a checkout"


def test_a_repository_whose_root_it_is_installed_in_is_not_told(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(repository, monkeypatch)
    assert provenance.git_state() == "not a checkout"


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("torch", "a-package-that-nobody-has"))
    versions = provenance.provenance("")["versions"]
    assert versions.startswith("adapter-workbench ")
    assert "torch " in versions
    assert "nobody" not in versions


def test_processes_that_share_the_cores_have_their_share_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert "8 of them for each process" in provenance.provenance("run")["machine"]
    assert "4 of them for each process" in provenance.provenance("run --jobs 2", workers(2).jobs)["machine"]
    assert "1 of them for each process" in provenance.provenance("run --jobs 16", workers(16).jobs)["machine"]
