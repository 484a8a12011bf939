"""What a skill is: something that is done to a list of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Words = tuple[str, ...]


@dataclass(frozen=True)
class Skill:
    """A rule from a list of words to a list of words.

    Attributes:
        tag: a word without meaning that stands for the rule in a problem's text, so that nothing there explains it.
        apply: words → words; what it gives does not depend on anything else.
        trivial: whether it gives what it gets; any other rule changes every list of a problem.
    """

    tag: str
    apply: Callable[[Words], Sequence[str]]
    trivial: bool = False
