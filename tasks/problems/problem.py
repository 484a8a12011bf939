"""One problem: a list of words, what is done to it step by step, and how the answer is written.

``zeb kor sil: cup owl cat`` has the answer ``cat owl``: the animals (zeb), turned around (kor), written plainly (sil).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    from random import Random

Words = tuple[str, ...]

# Everyday nouns, written down for these problems; about half of a list's words are animals.
_ANIMALS = """
ant ape bat bear bee bird bug bull calf cat cow crab crow deer dog dove duck eagle elk fish flea fly fox frog goat
goose hawk hen horse lamb lion mole monkey moth mouse mule newt owl ox pig pony puppy rabbit ram rat seal shark
sheep snail snake spider swan tiger toad trout turtle wasp whale wolf worm zebra
"""
_THINGS = """
bag ball bank bell belt boat bolt book boot bowl box brick bridge brush bus cake candle cap car card cart chair
clock coat coin comb cup desk dish door drum fan fence flag fork gate glass glove hammer hat ink jar key kite knife
ladder lamp lock map mirror nail needle net oven paint pan pen pin pipe pot purse ring road rock roof rope rug saw
scarf shelf shirt shoe soap sock sofa spoon stone string table tape tent tie tool towel tower toy train tray truck
tube vase wall wheel window wire yard
"""
ANIMALS, THINGS = frozenset(_ANIMALS.split()), frozenset(_THINGS.split())
TRIES = 1000  # lists that are drawn before a problem is given up
SORTS = (sorted(ANIMALS), sorted(THINGS))  # sorted, since the order of a set differs between processes


@dataclass(frozen=True)
class Convention:
    """A way to write an answer."""

    tag: str  # a word without meaning that stands for the convention in a problem's text
    write: Callable[[Sequence[Words]], str]  # what each skill of a problem gave, in their order → the answer


@dataclass(frozen=True)
class Skill:
    """A rule from a list of words to a list of words."""

    tag: str  # a word without meaning that stands for the rule in a problem's text, so that nothing there explains it
    apply: Callable[[Words], Sequence[str]]  # words → words; what it gives does not depend on anything else
    trivial: bool = False  # whether it gives what it gets; any other rule changes every list of a problem


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
