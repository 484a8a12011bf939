"""Tables on a terminal: words stay whole where there is room for them, and nothing is cut off."""

from __future__ import annotations

import json

import pytest
from rich.text import Text

from adapter_workbench.experiments.terminal import output

HEADS = ["strategy", "optimiser steps", "task", "done"]
ROW = ["full-sequential @ 0.0002", 114, "reasoning-gym-syllogism", "no"]


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
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


def test_a_heading_is_what_the_column_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(["column_3", "a  b", "[red]x[/]", ":cat:"], [[1, 2, 3, 4]])
    assert capsys.readouterr().out.splitlines()[0].split("  ") == ["column_3", "a", "b", "[red]x[/]", ":cat:"]


def test_where_not_even_the_words_fit_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(50, monkeypatch, capsys)
    letters = "".join("".join(lines).split())
    assert all(letters.count(letter) >= ROW[2].count(letter) for letter in set(ROW[2]))
    assert lines[-1].split()[0] == "lora"


def test_names_in_the_first_column_are_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output.table(["", ""], [["validation accuracy", "50.0 %"], ["folder", "/home/somebody/" + "deep/" * 20]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "validation accuracy", (
        "and there is no empty line for headings that are not there"
    )


HOSTILE = ["[bold]x", "[/]", "\x1b[31mred", "\u202eabc", "\x9b31m", ":smile:"]
OBEYED = ("\x1b", "\u202e", "\x9b")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_any_origin_is_shown_and_not_obeyed(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.stdout.print(text)
    output.stdout.print(Text(text), f"{text}\n{text}")
    output.table([text, "n"], [[text, 1]], title=text)
    output.listing([{"name": text, "description": text}], False)
    output.stderr.print(Text(text))
    out, err = capsys.readouterr()
    assert not [character for character in OBEYED if character in out + err]
    literal = text.encode("ascii", "backslashreplace").decode().replace("\x1b", "\\x1b")
    assert out.count(literal) == 9
    assert literal in err


def test_lines_stay_lines_and_letters_letters(capsys: pytest.CaptureFixture[str]) -> None:
    output.stdout.print("zwei\nZeilen: über, 日本, \u200c")
    assert capsys.readouterr().out == "zwei\nZeilen: über, 日本, \u200c\n"


def test_json_holds_everything_and_nothing_that_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"labels": [*HOSTILE, "ü", "\ud800", "\U000e0001"]}
    output.emit(document)
    out = capsys.readouterr().out
    assert json.loads(out) == document
    assert "ü" in out
    assert not [character for character in OBEYED if character in out]
