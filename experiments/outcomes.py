"""What a stored evaluation says of each example."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import IntegrityError, reason

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def example_scores(path: Path) -> pd.Series:
    """Return the score of each test example by example id, sorted: whether it was answered right where that is all.

    Raises:
        IntegrityError: the file cannot be read.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        column = "score" if "score" in pq.read_schema(path).names else "correct"
        return pd.read_parquet(path, columns=["id", column]).set_index("id")[column].astype(float).sort_index()
    except (OSError, ValueError, KeyError) as error:  # what pyarrow and pandas say of a damaged file
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(path)) from None
