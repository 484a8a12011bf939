"""How often each command was killed in this process."""

from __future__ import annotations

from collections import Counter

COUNTED: Counter[str] = Counter()
