"""Scores of generated text against published examples and cases that can be counted by hand."""

from __future__ import annotations

import pytest

from adapter_workbench.workbench.measures.text_scores import (
    TEXT_SCORES,
    exact_match,
    last_number,
    numeric_match,
    rouge_l,
)


# Lin 2004, section 3: S1 "police killed the gunman"; the second is the example against bigrams, ROUGE-L 2/4
@pytest.mark.parametrize(
    ("text", "expected"), [("police kill the gunman", 3 / 4), ("the gunman kill police", 2 / 4), ("gunman", 2 / 5)]
)
def test_rouge_l_on_the_paper_s_example(text: str, expected: float) -> None:
    assert rouge_l(text, "police killed the gunman") == pytest.approx(expected)


def test_rouge_l_is_the_f_measure() -> None:
    # common subsequence "a b d": P = 3/4, R = 3/6, F = 2 · 3/4 · 1/2 ÷ (5/4) = 0.6
    assert rouge_l("A, b! c d", "a b x y d e") == pytest.approx(0.6)
    assert rouge_l("", "a") == rouge_l("a", "") == rouge_l("x", "a") == 0.0
    assert rouge_l("Straße", "STRASSE") == 1.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3 + 4 = 7", "7"),
        ("The answer is -12.", "-12"),
        ("about 1,234.50 in all", "1234.50"),
        ("12-5", "5"),
        ("from 5 to −3", "-3"),
        ("a1b", "1"),
        ("3.", "3"),
        ("1, 2, 3", "3"),
        ("no number", None),
        ("1e-05", "0.00001"),
        ("about 2.5E3 m", "2.5E+3"),
        (".5", "0.5"),
        ("from 1 to -.5", "-0.5"),
        ("Fig.5", "5"),
        ("1.2.3", "3"),
        ("2e5x", "5"),
        ("1e999999999999999999999", "999999999999999999999"),
    ],
)
def test_the_last_number(text: str, number: str | None) -> None:
    last = last_number(text)
    assert (None if last is None else str(last)) == number


@pytest.mark.parametrize(
    ("text", "answer", "score"),
    [("It is 4.0", "4", 1), ("4 apples, 5 pears", "4", 0), ("four", "4", 0), ("1,000", "1000", 1), ("x", "y", 0)],
)
def test_numbers_are_compared_by_value(text: str, answer: str, score: float) -> None:
    assert numeric_match(text, answer) == score


@pytest.mark.parametrize(
    ("text", "score"), [(" new   York\n", 1), ("NEW YORK", 1), ("New York.", 0), ("Newyork", 0), ("", 0)]
)
def test_equal_but_for_case_and_white_space(text: str, score: float) -> None:
    assert exact_match(text, "New York") == score


def test_every_score_gives_1_to_the_answer_itself() -> None:
    assert all(score("the answer is 42", "the answer is 42") == 1.0 for score in TEXT_SCORES.values())
