"""Which columns of a person's table hold the texts, and the right answers, of a task that an adapter answers for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import raw
from adapter_workbench.tasks.rows.column_traits import is_blank
from adapter_workbench.tasks.rows.label_sets import is_list, is_missing
from adapter_workbench.tasks.task_file.task_file import PLACEHOLDER
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from adapter_workbench.tasks.task_file.task_file import TaskFile

TEXT, PAIR = "text", "text_pair"  # where neither a person nor a task file says more


@dataclass(frozen=True)
class NamedColumns:
    """The column names that a user gave for a table; None where left out."""

    text: str | None = None  # with the texts
    pair: str | None = None  # with the second texts
    label: str | None = None  # with what is right


@dataclass(frozen=True)
class TextForm:
    """How a row of a table becomes a text, or a pair."""

    texts: tuple[str, ...] = (TEXT,)  # the columns that make the text, joined by a space
    pair: str | None = None  # the column of the second text; None where there is none
    prompt: str | None = None  # the text with places for those columns; None where they are joined
    prompt_names: tuple[str, ...] = ()  # what the columns are called in the prompt

    def text_of(self, row: Mapping[str, Any]) -> Any:
        """Return a row's text, or (text, second text); None where one is blank."""
        texts = [plain_text(row.get(name)) for name in self.texts]
        text = join_texts(texts)
        second = plain_text(row.get(self.pair)) if self.pair else None
        if not text.strip() or (second is not None and not second.strip()):
            return None
        if self.prompt is not None:
            filled = dict(zip(self.prompt_names, texts, strict=True))
            text = PLACEHOLDER.sub(lambda match: filled[match[1]], self.prompt)
        return text if second is None else (text, second)


def text_form(
    file: TaskFile | None, existing: Collection[str], named: NamedColumns, where: str, task: str | None = None
) -> TextForm:
    """Return how rows become texts: by the user's columns, else the task file's, else ``text``.

    Args:
        file: the task's; None where it is not to be seen from here.
        existing: the table's columns.
        named: what a person calls them.
        where: the table, for messages.
        task: its name, for messages; None where several answer.

    Raises:
        InputError: a column is not there.
    """
    usual = tuple(file.columns.texts) if file else (TEXT,)
    texts = (named.text,) if named.text is not None else _there(usual, existing) or _there((TEXT,), existing) or usual
    pair = named.pair
    if pair is None and file and file.columns.text_pair in existing:
        pair = file.columns.text_pair
    _require(texts, existing, where, "--column", task if file is None and named.text is None else None)
    _require(() if pair is None else (pair,), existing, where, "--pair")
    prompt = file.prompt if file and len(texts) == len(usual) else None
    return TextForm(texts, pair, prompt, usual if prompt is not None else ())


def label_columns(
    file: TaskFile | None,
    target: str,
    existing: Collection[str],
    named: NamedColumns,
    where: str,
    task: str | None = None,
) -> tuple[str, ...]:
    """Return the columns with the right answers: the user's, else the task file's, else ``target``.

    Args:
        file: the task's; None where it is not to be seen from here.
        target: what the kind calls it, see :class:`adapter_workbench.workbench.methods.kind.Kind`.
        existing: the table's columns.
        named: what a person calls them.
        where: the table, for messages.
        task: its name, for messages.

    Raises:
        InputError: a column is not there.
    """
    usual: tuple[str, ...] = (target,)
    if file:
        usual = (file.columns.answer,) if file.columns.answer else tuple(file.columns.labels)
    chosen = (named.label,) if named.label is not None else usual
    _require(chosen, existing, where, "--label-column", task if file is None and named.label is None else None)
    return chosen


def expected_columns(file: TaskFile | None, named: NamedColumns) -> list[str]:
    """Return the columns that a table may be asked for: a first row that has one of them is a header."""
    usual = [*file.columns.texts, *file.columns.labels, file.columns.answer, file.columns.text_pair] if file else []
    return [name for name in (named.text, named.pair, named.label, *usual, TEXT) if name is not None]


def plain_text(value: Any) -> str:
    """Return a raw value as text: a list of words is joined by spaces, and a missing value is empty."""
    if is_list(value):
        return " ".join("" if is_missing(word) else raw(word) for word in value)
    return "" if is_blank(value) else raw(value)


def join_texts(texts: Sequence[str]) -> str:
    """Return the texts of several columns as one."""
    text = texts[0]
    for further in texts[1:]:
        text = f"{text} {further}".strip()
    return text


def _there(names: tuple[str, ...], existing: Collection[str]) -> tuple[str, ...] | None:
    return names if all(name in existing for name in names) else None


def _require(
    names: Sequence[str], existing: Collection[str], where: str, option: str, unseen: str | None = None
) -> None:
    """Raise InputError where a column is not there; ``unseen`` is a task whose file would name it, and is not here."""
    for name in names:
        if name not in existing:
            message, hint = f"there is no column {name!r}", f"Columns: {', '.join(existing)}. Name one with {option}."
            if unseen is not None:
                message = f"{message}; the file of task {unseen!r}, which names its columns, is not here"
                hint = f"{hint} Or give the folder of the task's file with --tasks."
            raise InputError(message, where=where, hint=hint)
