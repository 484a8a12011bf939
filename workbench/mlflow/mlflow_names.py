"""Names as MLflow allows them."""

from __future__ import annotations

import hashlib
import re


def metric_name(*parts: str) -> str:
    """Return ``part/part`` in the characters that MLflow allows.

    A part that had to be changed ends in the start of its SHA-256, so that two different parts never share a name.
    """
    return "/".join(plain_name(part) for part in parts)


def plain_name(part: str) -> str:
    """Return a name in letters, digits and ``_.- ``, for a metric or a file; see :func:`metric_name`."""
    kept = re.sub(r"[^A-Za-z0-9_. -]+", "-", part).strip(" .")
    if kept == part and kept:
        return kept
    return f"{kept}-{hashlib.sha256(part.encode(errors='backslashreplace')).hexdigest()[:6]}"
