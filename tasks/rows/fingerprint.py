"""One digest for everything that a task's data are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.task import SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

INTEGERS = frozenset({"label", "max_new_tokens"})
NUMBERS = frozenset({"value", "centre", "spread"})
LISTS = frozenset({"labels", "tags"})  # of integers; all other columns are text


def fingerprint(kind: str, labels: Sequence[str], tables: Mapping[str, pa.Table]) -> str:
    """Return the SHA-256 over kind, labels and, column by column, every row of every split.

    Each column goes in as the lengths of its values and then the values, so that no two data sets read the same.
    """
    import numpy as np

    hasher = hashlib.sha256(json.dumps([KINDS.identity(kind), list(labels)]).encode())
    for split in SPLITS:
        table = tables[split]
        for column in table.column_names:
            hasher.update(f"{split} {column} {table.num_rows}\n".encode())
            if column in INTEGERS:
                hasher.update(table[column].to_numpy().astype("<i8").tobytes())
                continue
            if column in NUMBERS:
                hasher.update(table[column].to_numpy().astype("<f8").tobytes())
                continue
            if column in LISTS:
                lists = table[column].to_pylist()
                hasher.update(np.array([len(value) for value in lists], dtype="<i8").tobytes())
                hasher.update(np.array([number for value in lists for number in value], dtype="<i8").tobytes())
                continue
            values = [value.encode() for value in table[column].to_pylist()]
            hasher.update(np.array([len(value) for value in values], dtype="<i8").tobytes())
            hasher.update(b"".join(values))
    return hasher.hexdigest()
