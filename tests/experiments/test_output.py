"""Tables on a terminal: words stay whole where there is room for them, and nothing is cut off."""

from __future__ import annotations

import pytest

from experiments.terminal import output

HEADS = ["strategy", "optimiser_steps", "task", "done"]
ROW = ["full-sequential @ 0.0002", 114, "reasoning-gym-syllogism", "no"]


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setattr(output.stdout, "width", width)
    output.table(HEADS, [ROW, ["lora", None, "animals", "yes"]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    return lines


def test_headings_break_between_words_before_names_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(68, monkeypatch, capsys)
    assert [line.split() for line in lines[:2]] == [["optimiser"], ["strategy", "steps", "task", "done"]]
    assert "reasoning-gym-syllogism  no" in lines[2]
    assert lines[3].split() == ["lora", "–", "animals", "yes"]


def test_where_not_even_the_words_fit_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(50, monkeypatch, capsys)
    letters = "".join("".join(lines).split())
    assert all(letters.count(letter) >= ROW[2].count(letter) for letter in set(ROW[2]))
    assert lines[-1].split()[0] == "lora"
