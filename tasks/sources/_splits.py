"""What the sources of files have in common: one file with all the data, or one for each split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

SPLITS = ("data", "train", "validation", "test")


def given_files(settings: Any) -> dict[str, Any]:
    """Return the files of a source's settings that were given, by split; all rows are under ``data``."""
    files = {split: getattr(settings, split) for split in SPLITS}
    return {split: file for split, file in files.items() if file is not None}


def require_data_or_train(settings: Any, files: str = "files") -> None:
    """Make sure that all rows or those of a split were given, and not both; ``files`` is what they are called.

    Raises:
        ValueError: both were, or neither.
    """
    if (settings.data is None) == (settings.train is None):
        raise ValueError(f"give either `train` (and `validation`, `test` where there are such {files}) or `data`")


def identity_of(digests: Mapping[str, str]) -> str:
    """Return a digest of the digests of files, by split."""
    lines = "".join(f"{split} {digest}\n" for split, digest in digests.items())
    return hashlib.sha256(lines.encode()).hexdigest()
