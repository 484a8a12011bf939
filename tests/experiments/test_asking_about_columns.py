"""Questions about a person's own columns: names are shown, and typed, as they are."""

from __future__ import annotations

import pytest

from adapter_workbench.experiments.terminal import drafting
from adapter_workbench.tasks.drafting.guess import Doubt

NAMES = ("[red]team[/]", " message ", ":cat:", "a\x1b[2Jb")


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("[red]team[/]", 0), ("message", 1), (":cat:", 2), ("a\\x1b[2Jb", 3), ("", 0)],
)
def test_a_column_is_chosen_by_the_name_that_is_shown(
    typed: str, chosen: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("builtins.input", lambda: typed)
    doubt = Doubt("label", {name: {"label": name} for name in NAMES})
    assert drafting.answer(doubt) == {"label": NAMES[chosen]}
    shown = capsys.readouterr().out
    assert "[[red]team[/]/message/:cat:/a\\x1b[2Jb] ([red]team[/])" in shown


def test_a_question_is_asked_word_for_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(["other", "b"])
    monkeypatch.setattr("builtins.input", lambda: next(answers))
    monkeypatch.setitem(drafting.QUESTIONS, "label", "Which [bold]column[/bold]?")
    assert drafting.answer(Doubt("label", {"a": {}, "b": {"label": "b"}}, guessed=False)) == {"label": "b"}
    assert capsys.readouterr().out.startswith("Which [bold]column[/bold]? [a/b]: ")
