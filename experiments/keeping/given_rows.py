"""Rows that a person gives of what a model has learned: read, and compared with the forms that are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.rows.row_files import FileRows
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

Row = dict[str, Any]
IDS, LABELS = "input_ids", "labels"
FORMS: dict[str, tuple[str, ...]] = {  # the first whose columns are all there counts
    "tokens": (IDS, LABELS),
    "chat": ("messages",),
    "answers": ("prompt", "completion"),
    "texts": ("text",),
}
TURN = {"role", "content"}
HINT = (
    "A row has `text`; or `prompt` and `completion`; or `messages`, a list of {role, content}; or `input_ids` and "
    "`labels`."
)


@dataclass(frozen=True)
class GivenRows:
    """Rows of one form."""

    form: str  # of FORMS
    rows: list[Row]
    where: str  # they come from, for messages

    def location(self, index: int) -> str:
        """Return where a row stands, for messages."""
        return f"{self.where}, row {index + 1}"


def read_rows(path: Path) -> GivenRows:
    """Return the rows of a file; no text of them is read as tokens yet.

    Raises:
        InputError: there is no such file, its columns are none of the forms, or a value is not what its column is for.
        DataError: the file is not what its name says.
    """
    file = FileRows(path, {name for names in FORMS.values() for name in names})
    form = _form(file.columns)
    if form is None:
        there = ", ".join(file.columns)
        raise InputError(f"these columns are not rows of a language model: {there}", where=str(path), hint=HINT)
    given = GivenRows(form, [{name: row.get(name) for name in FORMS[form]} for row in file], str(path))
    for index, row in enumerate(given.rows):
        if wrong := CHECKS[form](row):
            raise InputError(wrong, where=given.location(index), hint=HINT)
    return given


def _form(columns: Collection[str]) -> str | None:
    return next((form for form, names in FORMS.items() if {*names} <= {*columns}), None)


def _no_tokens(row: Row) -> str | None:
    for name in (IDS, LABELS):
        if not isinstance(row[name], list) or not all(type(token) is int for token in row[name]):
            return f"{name!r} is not a list of whole numbers: {row[name]!r:.60}"
    lengths = len(row[IDS]), len(row[LABELS])
    return None if lengths[0] == lengths[1] else f"there are {lengths[0]} input_ids and {lengths[1]} labels"


def _no_chat(row: Row) -> str | None:
    return None if _is_chat(row["messages"]) else f"'messages' is not a chat: {row['messages']!r:.60}"


def _no_answer(row: Row) -> str | None:
    prompt, completion = row["prompt"], row["completion"]
    if _is_chat(prompt) and _is_chat(completion):
        return None
    for name, value in (("prompt", prompt), ("completion", completion)):
        if not isinstance(value, str) or not value:
            return f"{name!r} is not a text: {value!r:.60}"
    return None


def _no_text(row: Row) -> str | None:
    text = row["text"]
    return None if isinstance(text, str) and text.strip() else f"'text' is not a text: {text!r:.60}"


def _is_chat(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_turn(turn) for turn in value)


def _is_turn(turn: Any) -> bool:
    if not isinstance(turn, dict) or not turn.keys() >= TURN:
        return False
    return isinstance(turn["role"], str) and isinstance(turn["content"], str)


CHECKS: dict[str, Callable[[Row], str | None]] = {
    "tokens": _no_tokens,
    "chat": _no_chat,
    "answers": _no_answer,
    "texts": _no_text,
}
