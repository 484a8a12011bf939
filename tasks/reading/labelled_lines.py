"""Lines that begin with their label: ``__label__spam Win a prize`` (fastText) or ``NUM:date When was …`` (TREC)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.text_files import Lines, opened_text
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PREFIX = "__label__"


def frame_of(path: Path, encoding: str) -> pd.DataFrame:
    """Return the lines of ``path`` as the columns ``label`` and ``text``; raises as :func:`rows`."""
    import pandas as pd

    labelled = [*rows(path, encoding)]
    if not labelled:
        raise DataError("cannot be read: the file is empty", where=str(path))
    return pd.DataFrame(labelled)


def rows(path: Path, encoding: str = "utf-8") -> Iterator[dict[str, str]]:
    """Yield ``label`` and ``text`` of each line, blank lines left out; without fastText's prefix of labels.

    Raises:
        DataError: a line without a text after its label, or with a second label of fastText.
    """
    with opened_text(path, encoding) as text:
        lines = Lines(text, str(path))
        for line in lines:
            lines.row_ends()
            if not (words := line.split(maxsplit=1)):
                continue
            if len(words) == 1:
                raise DataError("a label without a text", where=lines.where)
            label, content = words[0].removeprefix(PREFIX), words[1].strip()
            if content.startswith(PREFIX):
                raise DataError(
                    "a line with several labels", where=lines.where, hint="Each text has exactly one label."
                )
            yield {"label": label, "text": content}
