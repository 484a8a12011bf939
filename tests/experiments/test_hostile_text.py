"""Labels and texts that a terminal or rich would obey, through every command that prints them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import FRUITS, SUBJECTS, Call

LABELS = ("[bold]", "[/]", "\x1b[31mred", "\u202eback")
OBEYED = ("\x1b", "\u202e")


def test_nothing_of_a_task_is_obeyed(call: Call, bert: Path, tmp_path: Path) -> None:
    rows = [{"text": f"the {SUBJECTS[n % 4]} {n} \x1b]0;title\x07 [/red]", "label": LABELS[n % 4]} for n in range(48)]
    (tmp_path / "[red]rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    options = ["--backbone", str(bert), "--set", "budget.max_length=16", "--set", "budget.epochs=1"]
    recipe = tmp_path / "hostile.yaml"
    recipe.write_text(
        f"name: hostile\nbackbone: {bert}\ntasks: [odd]\nseeds: [0]\nbudget: {{epochs: 1, max_length: 16}}\n"
        "strategies:\n  '[bold]a': {strategy: isolated, method: lora}\n"
        "  '[bold]b': {strategy: sequential, method: full}\n"
        "reference: '[bold]b'\n"
    )
    commands = [
        ["tasks", "new", "odd", "--from", "[red]rows.jsonl"],
        ["tasks", "check", "odd"],
        ["tasks", "show", "odd"],
        ["train", "odd", "--method", "lora", *options],
        ["predict", "odd", f"{FRUITS[0]} \x1b[31m [/]"],
        ["adapters", "list"],
        ["adapters", "show", "odd"],
        ["run", "hostile.yaml"],
        ["report", "hostile"],
    ]
    printed = {}
    for command in commands:
        code, out, err = call(*command)
        assert code == 0, err
        assert not [character for character in OBEYED if character in out + err], command
        printed[" ".join(command[:2])] = out
    for command in ("tasks check", "tasks show", "adapters show"):
        assert all(text in printed[command] for text in ("[bold]", "[/]", "\\x1b[31mred", "\\u202eback")), command
    assert "[bold]a" in printed["report hostile"]
    code, out, err = call("predict", "odd", "the \x1b[31mcat", "--json")
    assert json.loads(out)[0]["text"] == "the \x1b[31mcat", "a document holds what was given"
    assert "\x1b" not in out
