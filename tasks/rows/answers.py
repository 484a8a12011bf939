"""Free answers: which rows have one, and the metric and length limit of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import raw, with_point
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.tasks.task_file.task_file import METRIC, NEW_TOKENS
from adapter_workbench.workbench.errors import DataError
from adapter_workbench.workbench.measures.text_scores import last_number

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5


def free_answers(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[str]:
    """Return the right answers of ``rows`` as text: in the task file's words for them, or unchanged.

    A number is written as it is compared, 4 and not 4.0; one of 32 bits in the fewest digits that tell it apart. Where
    numbers are compared, one with a decimal comma gets a point.

    Raises:
        DataError: rows without an answer, with one that the file has no words for, or without a number where numbers
            are compared.
    """
    answers = rows["target"]
    filled = _as_text(answers).str.strip()
    _refuse(spec, split, rows, filled == "", "no answer", "Answer them, or leave them out with `on_missing: drop`.")
    if words := spec.file.answers:
        unknown = ~filled.isin(list(words))
        hint = f"It has words for {', '.join(words)}; the data have {', '.join(filled[unknown].unique()[:SHOWN])}."
        _refuse(spec, split, rows, unknown, "an answer that `answers` has no words for", hint)
        filled = filled.map(words).astype("str")
    if spec.file.metric == "numeric-match":
        filled = filled.map(with_point).astype("str") if spec.has_comma else filled
        missing = filled.map(last_number).isna()
        _refuse(spec, split, rows, missing, "no number in the answer", "Use another metric, such as exact-match.")
    return filled


def _as_text(answers: pd.Series[Any]) -> pd.Series[str]:
    """Return answers as text, a missing one as an empty text."""
    import pandas as pd

    if answers.dtype == "float32":  # as 64 bits, 3.8 would be 3.799999952316284
        answers = pd.Series([float(str(value)) for value in answers.to_numpy()], index=answers.index)
    return answers.where(answers.notna(), "").map(raw).astype("str")


def with_metrics(spec: TaskSpec, rows: pd.DataFrame) -> pd.DataFrame:
    """Return ``rows`` with how their answers are judged (``metric``) and how long one may be (``max_new_tokens``)."""
    return rows.assign(metric=spec.file.metric or METRIC, max_new_tokens=spec.file.max_new_tokens or NEW_TOKENS)


def _refuse(spec: TaskSpec, split: str, rows: pd.DataFrame, wrong: pd.Series[bool], problem: str, hint: str) -> None:
    if wrong.any():
        examples = ", ".join(rows["id"][wrong].head(SHOWN))
        raise DataError(
            f"{int(wrong.sum())} of {len(rows)} rows of split {split!r} have {problem} (rows {examples})",
            where=spec.document.where("columns", "answer"),
            hint=hint,
        )
