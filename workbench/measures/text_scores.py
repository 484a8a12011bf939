"""How well a generated text fits the right answer: exact, by its last number, or by the longest common subsequence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

NUMBER = re.compile(
    r"(?:(?<!\w)-)?"
    r"(?:\d+(?:,\d{3})*(?:\.\d+)?|(?<![\w.])\.\d+)"
    r"(?:[eE][+-]?\d{1,4}(?!\w))?"  # Decimal refuses exponents of very many digits
)
WORD = re.compile(r"\w+")


def exact_match(text: str, answer: str) -> float:
    """Return 1 where the two are equal but for case and white space, else 0."""
    return float(" ".join(text.split()).casefold() == " ".join(answer.split()).casefold())


def numeric_match(text: str, answer: str) -> float:
    """Return 1 where the last number of ``text`` is the last number of ``answer``, else 0.

    A text may reason before it answers; what stands last counts. ``1,200`` is 1200, 4.0 is 4, and 1e-05 is .00001.
    """
    number, right = last_number(text), last_number(answer)
    return float(number is not None and number == right)


def rouge_l(text: str, answer: str) -> float:
    """Return the F-measure of ROUGE-L (Lin 2004, https://aclanthology.org/W04-1013, eq. 2 to 4 with β = 1).

    With L the length of the longest common subsequence of words, P = L ÷ words of the text and R = L ÷ words of the
    answer, F = 2PR ÷ (P + R). Words are runs of letters and digits, without regard to case.
    """
    words, right = (WORD.findall(string.casefold()) for string in (text, answer))
    common = _longest_common_subsequence(words, right)
    return 2 * common / (len(words) + len(right)) if common else 0.0  # the same as 2PR ÷ (P + R)


def last_number(text: str) -> Decimal | None:
    """Return the last number that stands in ``text``, or None."""
    numbers = NUMBER.findall(text.replace("−", "-"))
    return Decimal(numbers[-1].replace(",", "")) if numbers else None


def _longest_common_subsequence(first: list[str], second: list[str]) -> int:
    previous = [0] * (len(second) + 1)
    for word in first:
        row = [0]
        for index, second_word in enumerate(second):
            row.append(previous[index] + 1 if word == second_word else max(previous[index + 1], row[index]))
        previous = row
    return previous[-1]


TEXT_SCORES: Mapping[str, Callable[[str, str], float]] = {
    "exact-match": exact_match,
    "numeric-match": numeric_match,
    "rouge-l": rouge_l,
}
