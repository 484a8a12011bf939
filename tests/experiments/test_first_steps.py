"""A new user's way, from a CSV file to a fused adapter and its report in MLflow: each command prints the next one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

MOST_COMMANDS = 8
BUDGET = "budget={train_examples: 24, eval_examples: 20, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}"
Run = Callable[[str], str]


@pytest.fixture
def run(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in a folder with ``tickets.csv`` and nothing else; return what it prints."""
    monkeypatch.setenv("COLUMNS", "300")
    lines = [
        f'"{filler} {noun}",{team}' for filler in FILLERS for noun, team in ((SUBJECTS[0], "pets"), (FRUITS[0], "food"))
    ]
    lines += [
        f'"{filler} {noun}",{team}' for filler in FILLERS for noun, team in ((SUBJECTS[1], "pets"), (FRUITS[1], "food"))
    ]
    (tmp_path / "tickets.csv").write_text("\n".join(["message,team", *lines]) + "\n")

    def run(command: str) -> str:
        code, out, err = call(*shlex.split(command)[1:])
        assert not code, err
        return out

    return run


def next_commands(printed: str) -> list[str]:
    """Return the commands under ``Next:``, without what is said about them."""
    _, _, tail = printed.rpartition("Next: ")
    return [line.strip().partition("   (")[0] for line in tail.splitlines() if line.strip()]


def command_with(commands: list[str], beginning: str) -> str:
    (command,) = (command for command in commands if command.startswith(beginning))
    return command


def test_every_command_prints_the_next_one(run: Run, bert: Path, tmp_path: Path) -> None:
    printed = run("workbench tasks new tickets --from tickets.csv")
    first = command_with(next_commands(printed), "workbench train tickets --method lora")
    ways = [f"{first} --backbone {bert} --set {shlex.quote(BUDGET)}"]
    for beginning in (
        "workbench train bbc-news",
        "workbench train 20news-8",
        "workbench fuse tickets --from tickets-lora-",
    ):
        ways.append(command_with(next_commands(run(ways[-1])), beginning))
    printed = run(ways[-1])
    assert command_with(next_commands(printed), "workbench ui") == "workbench ui"
    assert "Traceback" not in printed
    assert len(ways) + 2 <= MOST_COMMANDS

    from mlflow.tracking import MlflowClient

    (name,) = re.findall(r"experiment '([^']+)'", printed)
    client = MlflowClient(f"sqlite:///{tmp_path}/.workbench/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    reports = [file.path for logged_run in runs for file in client.list_artifacts(logged_run.info.run_id, "report")]
    assert "report/report.html" in reports
    asked = run(next_commands(printed)[-1].replace("some text", "the cat"))
    assert "the cat" in asked
    assert next_commands(asked)[0].startswith("workbench predict ")


def test_options_that_were_given_are_repeated(run: Run, bert: Path) -> None:
    run("workbench tasks new tickets --from tickets.csv --tasks 'my tasks'")
    options = f"--backbone {bert} --set {shlex.quote(BUDGET)} --workspace 'my work' --tasks 'my tasks'"
    asking, training = next_commands(run(f"workbench train tickets --method lora {options}"))
    assert asking.endswith("--workspace 'my work'")
    assert set(shlex.split(training)) >= {*shlex.split(options)}
