"""What a message has to name, whatever its sentence: the thing, the place, the value that was given, the way out."""

from __future__ import annotations

import re


def naming(*parts: str) -> str:
    """Return a pattern for `pytest.raises(match=…)`: a message fits if it has all parts, as written, in any order."""
    return r"(?s)\A" + "".join(f"(?=.*{re.escape(part)})" for part in parts)


def lacks(message: str, *parts: str) -> list[str]:
    """Return the parts that a message does not have: none of those that matter, as a test asserts."""
    return [part for part in parts if part not in message]
