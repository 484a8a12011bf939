"""A new user's way, from a CSV file to an adapter that answers for its task: each command prints the next one."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FILLERS, FRUITS, SUBJECTS, Call

BUDGET = "budget={train_examples: 24, eval_examples: 20, epochs: 8, batch_size: 8, max_length: 16, precision: fp32}"
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
    training = command_with(next_commands(printed), "workbench train tickets --method lora")
    options = f"--backbone {bert} --set {shlex.quote(BUDGET)} --set learning_rate=0.02"
    asking, evaluating, adding, serving = next_commands(run(f"{training} {options}"))
    assert "the cat" in run(asking.replace("some text", "the cat"))
    judged = run(evaluating.replace("FILE", "tickets.csv"))
    assert "40 of 40 rows judged" in judged
    assert "--file tickets.csv --out answers.csv" in next_commands(judged)[0]
    assert adding.startswith("workbench add tickets --method lora")
    assert serving == "workbench serve tickets"
    added = next_commands(run(adding))
    assert [command.split()[1] for command in added][:2] == ["predict", "serve"]
    asked = run(added[0].replace("some text", "the cat"))
    assert "the cat" in asked
    assert next_commands(asked)[0].startswith("workbench predict ")
    (adapter,) = (tmp_path / ".workbench" / "adapters").iterdir()  # `add` found what `train` had made
    assert adapter.name.startswith("tickets-lora-")


def test_options_that_were_given_are_repeated(run: Run, bert: Path) -> None:
    run("workbench tasks new tickets --from tickets.csv --tasks 'my tasks'")
    options = f"--backbone {bert} --seed 3 --set {shlex.quote(BUDGET)} --set learning_rate=0.02"
    options += " --workspace 'my work' --tasks 'my tasks'"
    asking, evaluating, adding, serving = next_commands(run(f"workbench train tickets --method lora {options}"))
    assert asking.endswith("--workspace 'my work'")
    assert evaluating.endswith("--file FILE --workspace 'my work' --tasks 'my tasks'")
    assert serving.endswith("--workspace 'my work'")
    assert set(shlex.split(adding)) >= {*shlex.split(options)}


def test_what_learned_nothing_is_not_offered_to_others(run: Run, bert: Path) -> None:
    run("workbench tasks new tickets --from tickets.csv")
    budget = BUDGET.replace("epochs: 8", "epochs: 1")
    printed = run(f"workbench train tickets --method lora --backbone {bert} --set {shlex.quote(budget)}")
    (asking,) = next_commands(printed)
    assert asking.startswith("workbench predict ")
