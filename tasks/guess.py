"""Which column is the text and which the label or answer: a guess by names and values, for a person to correct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.spec import raw
from workbench.errors import InputError, suggest

if TYPE_CHECKING:
    import pandas as pd

PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "answer"),
    ("query", "passage"),
    ("text1", "text2"),
    ("text_a", "text_b"),
)
ANSWERS = ("answer", "output", "response", "completion", "reply", "solution")
LABELS = ("label", "labels", "target", "class", "category", "topic", "intent", "sentiment", "coarse_label", "y")
MOST_LABELS = 200


@dataclass(frozen=True)
class Guess:
    """The columns of a draft: ``label`` or, where answers are free text, ``answer`` is None."""

    text: str
    text_pair: str | None
    label: str | None
    answer: str | None = None


def guess_columns(
    frame: pd.DataFrame,
    where: str,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    answer: str | None = None,
) -> Guess:
    """Return which columns of ``frame`` are text, second text and label; what is given is taken as it is.

    The label is the column with a usual name, else the one with the fewest distinct values, each seen at least twice
    on average. The text is the column with the longest strings; two texts only where the names say so. Where nothing
    can be a label and a column is called answer, output, response …, answers are free text.

    Raises:
        InputError: no such column, or it cannot be told; the message lists the columns with examples.
    """
    columns = [str(name) for name in frame.columns]
    for flag, name in (("--text", text), ("--pair", text_pair), ("--label", label), ("--answer", answer)):
        if name is not None and name not in columns:
            raise InputError(f"no column {name!r} for {flag}", where=where, hint=suggest(name, columns))
    taken = {text, text_pair} - {None}
    if answer is None:
        label = label or _label(frame, [name for name in columns if name not in taken])
    if label is None and text_pair is None:
        answer = answer or next((name for name in columns if name.lower() in ANSWERS and name not in taken), None)
    free = [name for name in columns if name not in {*taken, label, answer}]
    if answer is not None:
        text = text or _longest(frame, free)
    elif text is None:
        first, second = _pair(free) if text_pair is None else (None, None)
        text, text_pair = (first, second) if first else (_longest(frame, free), text_pair)
    if text is None or (label is None and answer is None):
        told = (("the text", "--text C", text), ("the label", "--label C", label or answer))
        missing = " and ".join(part for part, _, name in told if name is None)
        flags = " ".join(flag for _, flag, name in told if name is None)
        free_text = " (or --answer C, where answers are free text)" if label is None and answer is None else ""
        shown = "\n  ".join(f"{name}: {_example(frame[name])}" for name in columns)
        hint = f"Say it: {flags}{free_text}\n  {shown}"
        raise InputError(f"cannot tell which column is {missing}", where=where, hint=hint)
    return Guess(text, text_pair, label, answer)


def _label(frame: pd.DataFrame, columns: list[str]) -> str | None:
    distinct: Mapping[str, int] = {name: frame[name].map(_hashable).nunique() for name in columns}
    few = [name for name in columns if 2 <= distinct[name] <= min(MOST_LABELS, len(frame) // 2)]
    usual = [name for name in few if name.lower() in LABELS]
    if usual:
        return min(usual, key=lambda name: LABELS.index(name.lower()))
    return min(few, key=lambda name: distinct[name], default=None)


def _pair(columns: list[str]) -> tuple[str | None, str | None]:
    lower = {name.lower(): name for name in columns}
    for first, second in PAIRS:
        if first in lower and second in lower:
            return lower[first], lower[second]
    return None, None


def _longest(frame: pd.DataFrame, columns: list[str]) -> str | None:
    lengths = {name: [len(value) for value in frame[name] if isinstance(value, str)] for name in columns}
    means = {name: sum(values) / len(values) for name, values in lengths.items() if any(values)}
    wordy = [name for name in means if frame[name].map(_hashable).nunique() > 2]
    return max(wordy, key=lambda name: means[name], default=None)


def _hashable(value: Any) -> str | None:
    return None if value is None or value != value else raw(value) if isinstance(value, str | int | float) else None


def _example(values: pd.Series[Any]) -> str:
    shown = [repr(value)[:40] for value in values.head(2)]
    return f"{', '.join(shown)}, … ({values.map(_hashable).nunique()} distinct)"
