"""Free answers: which rows have one, and what goes with each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.raw_values import raw
from tasks.spec import METRIC, NEW_TOKENS, TaskSpec
from workbench.errors import DataError
from workbench.text_scores import last_number

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5


def free_answers(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[str]:
    """Return the right answers of ``rows`` as text; a number is written as it is compared, 4 and not 4.0.

    Raises:
        DataError: rows without an answer, or without a number where numbers are compared.
    """
    answers = rows["target"]
    filled = answers.where(answers.notna(), "").map(raw).astype("str").str.strip()
    _refuse(spec, split, rows, filled == "", "no answer", "Answer them, or leave them out with `on_missing: drop`.")
    if spec.file.metric == "numeric-match":
        missing = filled.map(last_number).isna()
        _refuse(spec, split, rows, missing, "no number in the answer", "Use another metric, such as exact-match.")
    return filled


def judged(spec: TaskSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` with how their answers are judged (``metric``) and how long one may be (``max_new_tokens``)."""
    return rows.assign(metric=spec.file.metric or METRIC, max_new_tokens=spec.file.max_new_tokens or NEW_TOKENS)


def _refuse(spec: TaskSpec, split: str, rows: pd.DataFrame, wrong: pd.Series[bool], what: str, hint: str) -> None:
    if wrong.any():
        examples = ", ".join(rows["id"][wrong].head(SHOWN))
        raise DataError(
            f"{int(wrong.sum())} of {len(rows)} rows of split {split!r} have {what} (rows {examples})",
            where=spec.document.where("columns", "answer"),
            hint=hint,
        )
