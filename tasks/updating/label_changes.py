"""What a person changes in the labels of a task: add, rename, merge, split, retire.

::

    add: [refund]                            # a label that rows of the update have
    rename: {shiping: shipping}              # the same class under another name
    merge: {delivery: [shipping, tracking]}  # one class of several; the first name may be one of them
    split: {account: [login, profile]}       # every row of it is given again, with one of the parts
    retire: [other]                          # the class goes, and its rows with it
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field, field_validator

from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.task_file.task_file import Scalar
from adapter_workbench.tasks.updating.label_map import LabelMap
from adapter_workbench.workbench.errors import Problem, SettingsError, suggest
from adapter_workbench.workbench.settings.base import Document, Settings


class LabelChanges(Settings):
    """All changes of one update; they are made at once, so that two labels may exchange their names."""

    add: tuple[str, ...] = ()
    rename: dict[str, str] = Field(default_factory=dict)
    merge: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    split: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    retire: tuple[str, ...] = ()

    @field_validator("*", mode="before")
    @classmethod
    def _labels_are_text(cls, value: object) -> object:
        return _as_text(value)

    def parts(self, labels: Sequence[str]) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Return label → what is done with it, and the names that it has afterwards; labels that stay are left out."""
        merged = {
            member: ("merge", (name,))
            for name, members in self.merge.items()
            for member in (*members, *((name,) if name in labels else ()))
        }
        return {
            **dict.fromkeys(self.retire, ("retire", ())),
            **{label: ("split", parts) for label, parts in self.split.items()},
            **merged,
            **{label: ("rename", (name,)) for label, name in self.rename.items()},
        }


def _as_text(value: object) -> object:
    """Return labels that YAML read as numbers as text; a truth value is left, and refused."""
    if isinstance(value, list | tuple):
        return [_as_text(entry) for entry in value]
    if isinstance(value, dict):
        return {_as_text(key): _as_text(entry) for key, entry in value.items()}
    return raw(value) if isinstance(value, Scalar) and not isinstance(value, bool) else value


def label_map(labels: Sequence[str], changes: LabelChanges, document: Document) -> LabelMap:
    """Return the labels after ``changes``, each with the labels that it comes from.

    A renamed label keeps its position. A merged one has that of the label whose name it takes, else that of the first
    of its members. The parts of a split one stand where it stood, and added ones come last.

    Args:
        labels: of the newest version, in the order of its classes.
        changes: what is asked for.
        document: where it was written, for messages.

    Raises:
        SettingsError: labels that do not exist, are changed twice, or would exist twice; fewer than two are left.
    """
    if problems := [*_problems(labels, changes, document)]:
        raise SettingsError(problems)
    parts = changes.parts(labels)
    sources: dict[str, tuple[int, ...]] = {}
    order: list[str] = []
    for position, label in enumerate(labels):
        for name in parts.get(label, ("keep", (label,)))[1]:
            sources[name] = (*sources.get(name, ()), position)
            order += [name] if name == label or name not in changes.merge or name not in labels else []
    order += changes.add
    names = tuple(dict.fromkeys(order))
    return LabelMap(tuple(labels), names, tuple(sources.get(name, ()) for name in names))


def _problems(labels: Sequence[str], changes: LabelChanges, document: Document) -> Iterator[Problem]:
    changed = [
        *(("retire", label) for label in changes.retire),
        *(("split", label) for label in changes.split),
        *(("merge", member) for members in changes.merge.values() for member in members),
        *(("rename", label) for label in changes.rename),
    ]
    for key, label in changed:
        if label not in labels:
            yield Problem(f"the task has no label {label!r}", document.where(key), suggest(label, labels))
    for label, times in Counter(label for _, label in changed).items():
        if times > 1:
            yield Problem(f"label {label!r} is changed {times} times", document.where(), "Change each label once.")
    yield from _size_problems(labels, changes, document)
    yield from _name_problems(labels, changes, changes.parts(labels), document)


def _size_problems(labels: Sequence[str], changes: LabelChanges, document: Document) -> Iterator[Problem]:
    """Yield what is merged of one label, or split into one."""
    for name, members in changes.merge.items():
        if len({*members, name} & {*labels}) < 2:
            yield Problem(f"{name!r} would be made of one label", document.where("merge"), "Use `rename` for that.")
    for label, parts in changes.split.items():
        if len(set(parts)) < 2:
            yield Problem(f"{label!r} is split into fewer than two", document.where("split"), "Use `rename` for that.")


def _name_problems(
    labels: Sequence[str],
    changes: LabelChanges,
    parts: Mapping[str, tuple[str, tuple[str, ...]]],
    document: Document,
) -> Iterator[Problem]:
    """Yield what is wrong with the names afterwards: each is made once, and at least two are left."""
    made = [
        *(label for label in labels if label not in parts),
        *changes.rename.values(),
        *changes.merge,
        *(part for names in changes.split.values() for part in names),
        *changes.add,
    ]
    for name, times in Counter(made).items():
        if times > 1:
            hint = "Give it another name, or `merge` the labels."
            yield Problem(f"there would be {times} labels called {name!r}", document.where(), hint)
        if not name.strip():
            yield Problem("a label without a name", document.where(), "Give it a name.")
    if len(set(made)) < 2:
        yield Problem("fewer than two labels would be left", document.where(), "Retire or merge fewer of them.")
