"""Rows as the tokens that a language model reads and answers, as TRL's SFTTrainer makes them.

A text is answered from its first token on, and so is a chat as its template writes it. A completion is answered behind
the tokens that it begins with as its prompt alone does: a tokenizer may end a prompt as if it were the whole text. Text
and completion end with the end-of-text token. Long rows are cut at their end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.keeping.given_rows import IDS, LABELS
from adapter_workbench.workbench.backbone.batching import IGNORED
from adapter_workbench.workbench.backbone.prompts import render
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.experiments.keeping.given_rows import GivenRows, Row

NO_TEMPLATE = "Its tokenizer has no chat template. Write the chats as `text`, or as `prompt` and `completion`."


@dataclass(frozen=True)
class EncodedRows(Sequence["Row"]):
    """Rows, each of which is read as tokens when it is asked for.

    A row has the columns that any trainer may read: ``input_ids``, ``attention_mask``, ``labels`` and TRL's
    ``completion_mask``.
    """

    given: GivenRows
    tokenizer: PreTrainedTokenizerBase
    embeddings: int  # how many tokens the model knows
    max_length: int

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.given.rows)

    def __getitem__(self, index: Any) -> Any:
        """Return a row.

        Raises:
            InputError: it cannot be read as tokens, or none of them is answered.
        """
        row = self.given.rows[index]
        try:
            ids, labels = FORMS[self.given.form](row, self.tokenizer)
        except InputError as error:
            raise InputError(error.what, where=self.given.location(index), hint=error.hint) from None
        ids, labels = ids[: self.max_length], labels[: self.max_length]
        named = {*ids, *(label for label in labels if label != IGNORED)}
        if strange := next((token for token in sorted(named) if not 0 <= token < self.embeddings), None):
            message = f"there is no token {strange}: the model knows {self.embeddings:,}"
            raise InputError(message, where=self.given.location(index), hint="Were these rows made for another model?")
        if all(label == IGNORED for label in labels[1:]):
            message = f"in {len(ids)} tokens there is none to answer"
            hint = "Raise --max-length, or take the row out."
            raise InputError(message, where=self.given.location(index), hint=hint)
        return encoded(ids, labels)


@dataclass(frozen=True)
class InColumns(Sequence["Row"]):
    """Rows with some of their columns."""

    rows: Sequence[Row]
    names: tuple[str, ...]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """Return a row; raises InputError as :class:`EncodedRows`."""
        row = self.rows[index]
        return {name: row[name] for name in self.names}


COLUMNS = (IDS, "attention_mask", LABELS, "completion_mask")


def encoded(ids: list[int], labels: list[int]) -> Row:
    """Return a row of all columns; where its label is −100 a token is read, and not answered."""
    answered = [int(label != IGNORED) for label in labels]
    return dict(zip(COLUMNS, (ids, [1] * len(ids), labels, answered), strict=True))


def _of_tokens(row: Row, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    return row[IDS], row[LABELS]


def _of_text(row: Row, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    ids = _ended(_tokens(row["text"], tokenizer), tokenizer)
    return ids, ids


def _of_chat(row: Row, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    ids = _rendered(row["messages"], tokenizer)
    return ids, ids


def _of_answer(row: Row, tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str):
        before = _tokens(prompt, tokenizer)
        ids = _ended(_tokens(prompt + completion, tokenizer), tokenizer)
    else:
        before = _rendered(prompt, tokenizer, add_generation_prompt=True)
        ids = _rendered([*prompt, *completion], tokenizer)
    pairs = enumerate(zip(before, ids, strict=False))
    shared = next((at for at, (asked, answered) in pairs if asked != answered), min(len(before), len(ids)))
    return ids, [*[IGNORED] * shared, *ids[shared:]]


def _tokens(text: str, tokenizer: PreTrainedTokenizerBase, **options: bool) -> list[int]:
    ids: list[int] = tokenise(tokenizer, text, verbose=False, **options)[IDS]
    return ids


def _ended(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == [end] else [*ids, int(end)]


def _rendered(turns: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase, **options: bool) -> list[int]:
    if not tokenizer.chat_template:
        raise InputError("this is a chat", hint=NO_TEMPLATE)
    plain = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
    (text,) = render([plain], tokenizer, **options)
    return _tokens(text, tokenizer, add_special_tokens=False)


FORMS: dict[str, Callable[[Row, PreTrainedTokenizerBase], tuple[list[int], list[int]]]] = {
    "tokens": _of_tokens,
    "chat": _of_chat,
    "answers": _of_answer,
    "texts": _of_text,
}
