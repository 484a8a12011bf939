"""What README and the first pages tell people to type works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import environment

pytestmark = pytest.mark.acceptance
ROOT = Path(__file__).parents[1]
README, STREAM = ROOT / "README.md", ROOT / "docs" / "tutorials" / "a-first-stream.md"
TICKETS = {
    "shipping": ["My parcel {} arrived", "The courier {} came", "Tracking {} moved for a week", "The box {} delivered"],
    "billing": ["I {} charged twice", "The invoice {} correct", "My card {} billed again", "The refund {} booked"],
}


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the CSV file that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    for name in ("WORKBENCH_HOME", "WORKBENCH_TASKS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    words = ["was not", "has not", "is not", "was never", "has never", "is still not", "had not", "will not be"]
    rows = [
        f'{number},"{text.format(word)} yet",{team}'
        for number, word in enumerate(words * 2)
        for team, texts in TICKETS.items()
        for text in texts
    ]
    (tmp_path / "tickets.csv").write_text("\n".join(["id,message,team", *rows]) + "\n", encoding="utf-8")
    return tmp_path


def test_three_commands_from_a_csv_file_to_a_prediction(folder: Path) -> None:
    (block,) = (block for block in blocks(README, "bash") if "tasks new" in block)
    commands = [line for line in block.splitlines() if line.startswith("workbench")]
    assert len(commands) == 3
    printed = []
    for command in commands:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment(), check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert "arning" not in done.stderr
        printed.append(done.stdout)
    assert (folder / "tasks" / "tickets.yaml").is_file()
    assert "workbench train tickets" in printed[0], "each command says what comes next"
    assert "workbench predict tickets" in printed[1]
    assert "shipping" in printed[2]


def test_python_blocks_run(folder: Path) -> None:
    program = "\n".join(blocks(STREAM, "python"))
    assert "Workbench" in program
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Full fine-tuning lost" in done.stdout
