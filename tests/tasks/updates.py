"""Random updates of a task, and what has to hold after each; drawn from a seed, so that a failure can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from adapter_workbench.tasks.updating.label_changes import LabelChanges, label_map
from adapter_workbench.tasks.updating.label_map import LabelMap
from adapter_workbench.tasks.updating.next_rows import NextRows, next_rows
from adapter_workbench.tasks.updating.rows import GivenRow, Row
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.methods.task import SPLITS
from adapter_workbench.workbench.settings.base import Document

SHARES = {"test": 0.2, "validation": 0.1}
TEXTS = 40


def first_rows(generator: Random) -> list[Row]:
    """Return rows of three labels, each text in one split; some texts come twice."""
    texts = [f"text {number}" for number in range(20)]
    split = {text: generator.choices(SPLITS, (7, 1, 2))[0] for text in texts}
    drawn = [*texts, *generator.choices(texts, k=3)]
    return [
        Row(f"data-{position}", split[text], text, generator.choice("abc"), (text,))
        for position, text in enumerate(drawn)
    ]


def some_changes(labels: tuple[str, ...], generator: Random, fresh: Iterator[str]) -> dict[str, Any]:
    """Return changes of labels that may be made at once, each label touched at most once."""
    free, changes = list(labels), dict[str, Any]()
    generator.shuffle(free)
    for kind in generator.sample(["add", "rename", "swap", "merge", "split", "retire"], generator.randint(0, 2)):
        if kind == "add":
            changes["add"] = [next(fresh)]
        elif kind == "rename" and free:
            changes.setdefault("rename", {})[free.pop()] = next(fresh)
        elif kind == "swap" and len(free) > 1:
            first, second = free.pop(), free.pop()
            changes.setdefault("rename", {}).update({first: second, second: first})
        elif kind == "merge" and len(free) > 1:
            first, second = free.pop(), free.pop()
            changes["merge"] = {generator.choice([first, next(fresh)]): [first, second]}
        elif kind == "split" and free:
            label = free.pop()
            changes["split"] = {label: [generator.choice([label, next(fresh)]), next(fresh)]}
        elif kind == "retire" and free:
            changes["retire"] = [free.pop()]
    return changes


def names_after(label: str, changes: dict[str, Any]) -> set[str]:
    """Return what a label is called after changes, told by its name alone."""
    if label in changes.get("retire", ()):
        return set()
    for name, members in changes.get("merge", {}).items():
        if label in members:
            return {name}
    if label in changes.get("split", {}):
        return set(changes["split"][label])
    return {changes.get("rename", {}).get(label, label)}


@dataclass
class Life:
    """A task that is updated again and again.

    Attributes:
        rows: of the newest version.
        labels: in the order of its classes.
        forgotten: text → split of texts that are gone.
        splits: text → every split that it ever had.
        steps: the maps of labels so far.
        refused: how many updates were not possible.
    """

    generator: Random
    rows: tuple[Row, ...] = ()
    labels: tuple[str, ...] = ("a", "b", "c")
    forgotten: dict[str, str] = field(default_factory=dict)
    splits: dict[str, set[str]] = field(default_factory=dict)
    steps: list[LabelMap] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        """Begin with a first version."""
        self.rows = tuple(first_rows(self.generator))
        self.fresh = (f"label {number}" for number in range(1000))
        self._note()

    def _note(self) -> None:
        for row in self.rows:
            self.splits.setdefault(row.text, set()).add(row.split)

    def update(self) -> None:
        """Make one random update, and check everything that has to hold of it."""
        changes = some_changes(self.labels, self.generator, self.fresh)
        try:
            labels = label_map(self.labels, Document(changes, "changes").parse(LabelChanges), Document({}, "changes"))
        except SettingsError:
            self.refused += 1
            return
        given, replace = self._given(labels), self.generator.random() < 0.3
        made = next_rows(self.rows, self.forgotten, given, labels, SHARES, replace=replace)
        again = next_rows(
            self.rows,
            self.forgotten,
            self.generator.sample(given, len(given)),
            labels,
            SHARES,
            replace=replace,
        )
        assert again == made, "the order of the given rows does not matter"
        if made.changes.unlabelled:
            self.refused += 1
            return
        self._check_labels(made, changes, labels, {row.text for row in given})
        self.rows, self.labels, self.forgotten = made.rows, labels.labels, dict(made.forgotten)
        self.steps.append(labels)
        self._note()
        self._check_rows()

    def _given(self, labels: LabelMap) -> list[GivenRow]:
        count, generator = self.generator.randint(0, 12), self.generator
        texts = [f"text {generator.randrange(TEXTS)}" for _ in range(count)]
        rows = [(text, generator.choice(labels.labels)) for text in texts]
        divided = [row.text for row in self.rows if len(labels.later(row.label)) > 1]
        rows += [(text, generator.choice(labels.labels)) for text in divided if generator.random() < 0.95]
        splits = (*SPLITS, None, None, None)
        return [GivenRow(text, label, (text,), None, generator.choice(splits)) for text, label in rows]

    def _check_labels(self, made: NextRows, changes: dict[str, Any], labels: LabelMap, given: set[str]) -> None:
        """No label is swapped: whoever was not given again has the label that the changes name."""
        old = {row.id: row for row in self.rows}
        for row in made.rows:
            if row.id in old and row.text not in given:
                assert row.label in names_after(old[row.id].label, changes)
        for label, positions in zip(labels.labels, labels.sources, strict=True):
            assert {labels.before[position] for position in positions} == {
                before for before in labels.before if label in names_after(before, changes)
            }
        untouched = [label for label in labels.before if names_after(label, changes) == {label}]
        kept = [label for label in labels.labels if label in untouched]
        assert kept == untouched, "labels that stay keep their order"

    def _check_rows(self) -> None:
        assert all(len(splits) == 1 for splits in self.splits.values()), "a text has one split, for ever"
        assert len({row.id for row in self.rows}) == len(self.rows)
        assert {row.label for row in self.rows} <= {*self.labels}
        here = {row.text for row in self.rows}
        assert not here & self.forgotten.keys()
        assert here | self.forgotten.keys() == self.splits.keys()
