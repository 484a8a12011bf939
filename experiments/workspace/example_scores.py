"""The score of each example in a stored evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.errors import IntegrityError, reason
from workbench.files import checksummed
from workbench.files.ordinary import open_ordinary

if TYPE_CHECKING:
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


def example_scores(path: Path) -> pd.Series:
    """Return the score of each test example by example id, sorted; without scores, whether its answer was right.

    Raises:
        IntegrityError: the file cannot be read.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        open_ordinary(path).close()  # if it were a pipe, pyarrow would wait for a writer
        column = "score" if "score" in pq.read_schema(path).names else "correct"
        return pd.read_parquet(path, columns=["id", column]).set_index("id")[column].astype(float).sort_index()
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError) as error:  # what pyarrow and pandas say of a damaged file
        raise IntegrityError(f"damaged: not readable ({reason(error)})", where=str(path)) from None
