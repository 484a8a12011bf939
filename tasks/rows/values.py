"""Numbers to predict: which rows have one, and the scale of the task."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter_workbench.tasks.reading.raw_values import COMMA_NUMBER, with_point
from adapter_workbench.tasks.task_file.spec import TaskSpec
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 5


def numbers(spec: TaskSpec, split: str, rows: pd.DataFrame) -> pd.Series[float]:
    """Return the values of ``rows``.

    Raises:
        DataError: rows without a finite number.
    """
    import numpy as np

    def as_number(value: Any) -> Any:
        if isinstance(value, Decimal):  # as Parquet has them
            return float(value)
        return value if isinstance(value, str | int | float | np.number) else None

    single = rows["target"].map(as_number)
    parsed = parsed_numbers(spec, single).astype("float64")
    wrong = ~np.isfinite(parsed)
    if wrong.any():
        examples = ", ".join(f"{row.id}: {row.target!r}" for row in rows[wrong].head(SHOWN).itertuples())
        raise DataError(
            f"{int(wrong.sum())} of {len(rows)} rows of split {split!r} hold no number ({examples})",
            where=spec.document.where("columns", "label"),
            hint="Correct them, or name another column; rows without any value are left out with `on_missing: drop`.",
        )
    return parsed


def parsed_numbers(spec: TaskSpec, values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as numbers, with the decimal sign of the task's files; NaN for what is none."""
    import pandas as pd

    return pd.to_numeric(values.map(_comma_number) if spec.has_comma else values, errors="coerce")


def _comma_number(value: Any) -> Any:
    """Return a number, None for a string that is none where numbers have a decimal comma."""
    return (with_point(value) if COMMA_NUMBER.fullmatch(value.strip()) else None) if isinstance(value, str) else value


def scale_values(spec: TaskSpec, frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the splits with the mean (``centre``) and standard deviation (``spread``) of the training values.

    Raises:
        DataError: the training values are all the same.
    """
    train = frames["train"]["value"]
    centre, spread = float(train.mean()), float(train.std(ddof=0))
    if not spread or train.min() == train.max():  # the deviation of equal values may be a rounding error
        raise DataError(
            f"all {len(train)} training rows have the value {centre:g}",
            where=spec.document.where("columns", "label"),
            hint="So there is nothing to learn. Name another column.",
        )
    return {split: frame.assign(centre=centre, spread=spread) for split, frame in frames.items()}
