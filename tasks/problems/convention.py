"""What an answer convention is: a way to write the words of an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapter_workbench.tasks.problems.skill import Words


@dataclass(frozen=True)
class Convention:
    """A way to write an answer.

    Attributes:
        tag: a word without meaning that stands for the convention in a problem's text.
        write: what each skill of a problem gave, in their order → the answer.
    """

    tag: str
    write: Callable[[Sequence[Words]], str]
