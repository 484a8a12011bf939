"""What a shell completes: names of what there is, quickly, and never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.streams import write_tasks
from tests.workbench.test_store import manifest

PROGRAM = [sys.executable, "-c", "from adapter_workbench.experiments.cli import main; main()"]


@pytest.fixture
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return what bash would offer for the last word of a line, in a folder with tasks and an adapter."""
    monkeypatch.chdir(tmp_path)
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS"):
        monkeypatch.delenv(name, raising=False)
    write_tasks(tmp_path)
    for workspace in (".workbench", "other"):
        folder = tmp_path / workspace / "adapters" / f"animals-lora-{workspace.strip('.')}"
        folder.mkdir(parents=True)
        document = manifest(folder.name).model_dump_json().replace('"name":"news"', '"name":"animals"')
        (folder / "manifest.json").write_text(document)
    (tmp_path / ".workbench" / "experiments" / "trial").mkdir(parents=True)
    (tmp_path / ".workbench" / "experiments" / "trial" / "record.json").write_text("{}")

    def complete(line: str) -> list[str]:
        from adapter_workbench.experiments.cli import main

        monkeypatch.setenv("_WORKBENCH_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        monkeypatch.setattr(sys, "argv", ["workbench"])
        with pytest.raises(SystemExit) as leaving:
            main()
        out, err = capsys.readouterr()
        assert (leaving.value.code, err) == (0, "")
        return out.split()

    return complete


OFFERED = {
    "workbench tra": ["train"],
    "workbench train anim": ["animals"],
    "workbench train bbc-n": ["bbc-news"],
    "workbench tasks show frui": ["fruits"],
    "workbench train animals --method pfeif": ["pfeiffer", "pfeiffer-inv"],
    "workbench compare animals --methods lora,bitfit-": ["lora,bitfit-ln"],
    "workbench fuse animals --method tie": ["ties"],
    "workbench fuse animals --from x,animals": ["x,animals", "x,animals-lora-workbench"],
    "workbench run quick": ["quickstart"],
    "workbench predict anim": ["animals", "animals-lora-workbench"],
    "workbench predict --workspace other anim": ["animals", "animals-lora-other"],
    "workbench adapters show anim": ["animals", "animals-lora-workbench"],
    "workbench adapters remove anim": ["animals-lora-workbench"],
    "workbench adapters rollback anim": ["animals", "animals.lora"],
    "workbench gate anim": ["animals", "animals-lora-workbench"],
    "workbench gate tri": ["trial"],
    "workbench report tri": ["trial"],
    "workbench tasks new mine --kind reg": ["regression"],
    "workbench train animals --method lora --backbone mini": ["minilm"],
    "workbench adapters import tas": ["tasks/"],
    "workbench adapters import tasks/ ./oth": ["./other/"],
    "workbench adapters import x --task anim": ["animals"],
    "workbench adapters import x --backbone mini": ["minilm"],
}


@pytest.mark.parametrize("line", OFFERED)
def test_names_are_completed(line: str, complete) -> None:
    assert complete(line) == OFFERED[line]


@pytest.mark.parametrize(
    "line",
    [
        "workbench trian anim",
        "workbench train zz",
        "workbench train --tasks nowhere a",
        "workbench adapters import ~nobody-at-all/",
    ],
)
def test_mistakes_are_passed_over_in_silence(line: str, complete) -> None:
    assert complete(line) == []


def test_completion_is_installed_by_one_option(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [*PROGRAM, "--install-completion", "bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    scripts = [path for path in tmp_path.rglob("*") if path.is_file() and "workbench" in path.name]
    assert any("_WORKBENCH_COMPLETE=complete_bash" in path.read_text() for path in scripts)
    assert "workbench" in (tmp_path / ".bashrc").read_text()
