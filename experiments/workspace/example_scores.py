"""What a stored evaluation says of each example: its answers, and the score of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import IntegrityError, reason
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.ordinary import open_ordinary

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import pandas as pd


FILE = "outcomes.parquet"


def require_readable(folder: Path) -> None:
    """Make sure that the outcomes in a folder are as they were written; without a digest, that they can be read.

    The folder is called as the key that it was stored under.

    Raises:
        IntegrityError: a file is damaged or missing, or the folder was stored under another key.
    """
    checksummed.require_sound(folder, under=folder.name)
    if not (folder / checksummed.DIGESTS).is_file():
        example_scores(folder / FILE)


def read_outcomes(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return what a file of outcomes says of each test example, or some columns of it.

    It is read in the thread that calls: of a small file, handing parts of it to others takes longer than reading it.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        frame: pd.DataFrame = file.read(columns, use_threads=False).to_pandas(use_threads=False)
    return frame


def score_column(columns: Collection[str]) -> str:
    """Return which column has the score of each example; without scores, it says whether the answer was right."""
    return "score" if "score" in columns else "correct"


def example_scores(path: Path) -> pd.Series:
    """Return the score of each test example by example id, sorted; without scores, whether its answer was right.

    Raises:
        IntegrityError: the file cannot be read.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        open_ordinary(path).close()  # if it were a pipe, pyarrow would wait for a writer
        with pq.ParquetFile(path) as file:  # opened once, for the names of the columns and for two of them
            column = score_column(file.schema_arrow.names)
            read = file.read(["id", column], use_threads=False)
        ids = pd.Index(read["id"].to_pandas(), name="id")
        return pd.Series(read[column].to_numpy().astype(float), ids, name=column).sort_index()
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError) as error:  # what pyarrow and pandas say of a damaged file
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(path)) from None
