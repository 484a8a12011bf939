"""One problem: a list of words, what is done to it step by step, and how the answer is written.

``zeb kor sil: cup owl cat`` has the answer ``cat owl``: the animals (zeb), turned around (kor), written plainly (sil).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.tasks.problems.words import ANIMALS, THINGS
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from adapter_workbench.tasks.problems.convention import Convention
    from adapter_workbench.tasks.problems.skill import Skill, Words

TRIES = 1000  # lists that are drawn before a problem is given up
SORTS = (sorted(ANIMALS), sorted(THINGS))  # sorted, since the order of a set differs between processes


def draw_problem(
    random: Random, skills: Sequence[Skill], convention: Convention, lengths: tuple[int, int]
) -> tuple[str, str]:
    """Return a problem's text and its answer.

    Every skill but a trivial one changes the words that it gets and leaves at least one, so that whoever leaves a skill
    out answers wrongly.

    Args:
        random: what is drawn from.
        skills: carried out one after another.
        convention: how the answer is written.
        lengths: the fewest and the most words of a list.

    Raises:
        DataError: no list is changed by every skill.
    """
    for _ in range(TRIES):
        words = _draw_words(random, random.randint(*lengths))
        if steps := _carried_out(words, skills):
            tags = " ".join([*(skill.tag for skill in skills), convention.tag])
            return f"{tags}: {' '.join(words)}", convention.write(steps)
    fewest, most = lengths
    raise DataError(
        f"of {TRIES:,} lists of {fewest} to {most} words none is changed by every skill",
        hint="A skill that comes twice, or undoes another one, needs another beside it; or give lists more words.",
    )


def _draw_words(random: Random, number: int) -> Words:
    words: list[str] = []
    while len(words) < number:
        word = random.choice(random.choice(SORTS))
        if word not in words:
            words.append(word)
    return tuple(words)


def _carried_out(words: Words, skills: Sequence[Skill]) -> list[Words]:
    """Return what each skill gives; nothing where one leaves the words as they are, or none of them."""
    steps: list[Words] = []
    for skill in skills:
        before = steps[-1] if steps else words
        after = tuple(skill.apply(before))
        if not after or (after == before and not skill.trivial):
            return []
        steps.append(after)
    return steps
