"""What a table can be asked for: every kind of task that its columns allow, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter_workbench.tasks.rows.column_traits import MOST_LABELS, Traits
from adapter_workbench.tasks.rows.label_sets import is_list
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    import pandas as pd

LABELS = (
    *("label", "labels", "target", "class", "category", "topic", "topics", "genres", "intent", "sentiment"),
    *("coarse_label", "y"),
)
VALUES = ("score", "similarity", "rating", "stars", "value", "grade", "price")
ANSWERS = ("answer", "output", "response", "completion", "reply", "solution")
REWRITTEN = ("summary", "highlights", "translation", "target", "target_text", "paraphrase")  # what seq2seq writes
TAGS = ("ner_tags", "tags", "labels", "ner", "pos_tags", "pos", "chunk_tags")
TOKENS = ("tokens", "words", "text", "sentence")
BIO = re.compile(r"^(O|[BIESLU]-\S+)$")
INDICATORS = 3  # columns of 1 and 0 that are labels of one task rather than marks of a row, at least


@dataclass(frozen=True)
class Target:
    """One thing that can be asked for."""

    kind: str  # of the task
    tier: int  # how sure it is: the smallest stands for a name or a form that leaves no doubt
    label: tuple[str, ...] = ()  # the label columns; none where answers are free text
    answer: str | None = None  # the column of free answers
    separator: str | None = None  # what parts the labels of one string
    text: str | None = None  # the column of words, where each is tagged
    gappy: bool = False  # whether many rows have nothing in its column

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that hold what is right."""
        return (self.answer,) if self.answer else self.label


def targets(frame: pd.DataFrame, traits: Mapping[str, Traits]) -> list[Target]:
    """Return what can be asked for of the columns in ``traits``; those of one tier are equally likely.

    Tiers: 0 tags of words; 1 a column with a usual name; 2 any column with few values, or sets; 3 free answers under a
    usual name; 4 any other number; 5 what is gappy. A gappy column with a usual name is of tier 2: it may be meant, but
    so may others. Of sets of labels and columns of 1 and 0, nothing is a value.
    """
    return [
        *_tag_targets(frame, traits),
        *_targets_with_usual_name(traits),
        *_targets_by_values(traits),
        *_answer_targets(traits),
        *_number_targets(traits),
    ]


def target_of_columns(kind: str | None, label: tuple[str, ...], traits: Mapping[str, Traits]) -> Target:
    """Return the target for columns that a user named; their values are not questioned."""
    first = traits[label[0]]
    if kind is None and len(label) > 1:
        kind = "multilabel"
    if kind is None:
        kind = "multilabel" if first.lists else "regression" if first.fractions else "classification"
    return Target(kind, 0, label, separator=first.separator if kind == "multilabel" and len(label) == 1 else None)


def free_answers(column: str, tier: int) -> list[Target]:
    """Return both ways to write an answer; which one is right depends on the backbone more than on the data."""
    first, second = GENERATED if column.lower() not in REWRITTEN else reversed(GENERATED)
    return [Target(kind, tier, answer=column) for kind in (first, second)]


def plain_name(name: str) -> str:
    """Return the name of a column as usual names are compared: in lower case, without space or a mark around it."""
    return name.strip(" \t\xa0\ufeff").lower()


def _tag_targets(frame: pd.DataFrame, traits: Mapping[str, Traits]) -> Iterator[Target]:
    words = {name: frame[name].map(_words) for name, column in traits.items() if column.lists or column.length}
    counts = {name: [len(entry) for entry in column] for name, column in words.items()}
    several = {name for name, lengths in counts.items() if sum(lengths) > len(lengths)}
    for label in sorted(several, key=lambda name: _rank(name, TAGS)):
        tags = {tag for row in words[label] for tag in row}
        if len(tags) > MOST_LABELS or not (label.lower() in TAGS or all(map(BIO.match, tags))):
            continue
        same = [name for name in several - {label} if counts[name] == counts[label] and name.lower() not in TAGS]
        if same:
            text = min(same, key=lambda name: (_rank(name, TOKENS), name))
            yield Target("token-classification", 0, (label,), text=text)


def _targets_with_usual_name(traits: Mapping[str, Traits]) -> Iterator[Target]:
    lower = {plain_name(name): column for name, column in [*traits.items()][::-1]}  # the first of two alike
    gappy: list[Target] = []
    for name in (*LABELS, *VALUES):
        if asked := [*_targets_of_column(lower[name], name in VALUES)] if name in lower else []:
            if not (lower[name].gappy and asked[0].kind != "multilabel"):
                yield from asked
                return
            gappy += [replace(target, tier=2, gappy=True) for target in asked]
    yield from gappy


def _targets_of_column(column: Traits, quantity: bool) -> Iterator[Target]:
    if column.sets:
        yield Target("multilabel", 1, (column.name,), separator=column.separator)
    elif column.fractions or (column.quantity and not column.few and quantity):
        yield Target("regression", 1, (column.name,))
    elif column.few:
        yield Target("classification", 1, (column.name,))
        if quantity and column.quantity:
            yield Target("regression", 1, (column.name,))


def _targets_by_values(traits: Mapping[str, Traits]) -> Iterator[Target]:
    indicators = tuple(name for name, column in traits.items() if column.binary)
    if len(indicators) >= INDICATORS:
        yield Target("multilabel", 2, indicators)
    by_size = sorted(traits.values(), key=lambda column: column.distinct)
    for column in by_size:
        if column.sets:
            yield Target("multilabel", 2, (column.name,), separator=column.separator)
    for column in by_size:
        if column.few and not column.fractions:
            yield Target("classification", 5 if column.gappy else 2, (column.name,), gappy=column.gappy)


def _answer_targets(traits: Mapping[str, Traits]) -> Iterator[Target]:
    usual = [name for name, column in traits.items() if name.lower() in {*ANSWERS, *REWRITTEN} and not column.lists]
    usual.sort(key=lambda name: traits[name].gappy)
    if usual:
        yield from free_answers(usual[0], 5 if traits[usual[0]].gappy else 3)


def _number_targets(traits: Mapping[str, Traits]) -> Iterator[Target]:
    numeric = [column for column in traits.values() if column.quantity]
    for column in sorted(numeric, key=lambda column: (_rank(column.name, (*LABELS, *VALUES)), not column.fractions)):
        yield Target("regression", 5 if column.gappy else 4, (column.name,), gappy=column.gappy)


def _words(value: object) -> list[str]:
    return [str(word) for word in value] if is_list(value) else str(value).split()  # type: ignore[attr-defined]


def _rank(name: str, names: tuple[str, ...]) -> int:
    name = plain_name(name)
    return names.index(name) if name in names else len(names)
