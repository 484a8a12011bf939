"""What is asked of a generated answer beside its text: its length, where it stops, and what was said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.workbench.measures.streaming import Hear

OPTIONS = "options"  # the column of rows that have some
GIVEN = "given_tokens"  # the column of rows that are read as they are: their tokens, or None where they are a text
Turn = Mapping[str, str]  # of a chat: its ``role`` and ``content``


@dataclass(frozen=True, eq=False)
class AnswerOptions:
    """Of one row, each with its own."""

    tokens: int | None = None  # how many the answer may take, where that is less than its task allows
    stop: tuple[str, ...] = ()  # the answer ends before the first of these texts
    earlier: tuple[Turn, ...] = ()  # turns of a chat that come before the row's text
    hear: Hear | None = None  # gets the tokens after each new one; returns whether more are wanted
    # whether the row is read as it is, without a chat template (it has the column ``GIVEN``), and the white space
    # around its answer is kept
    raw: bool = False


DEFAULTS = AnswerOptions()


def options_of(rows: Dataset) -> list[AnswerOptions]:
    return rows[OPTIONS][:] if OPTIONS in rows.column_names else [DEFAULTS] * len(rows)
