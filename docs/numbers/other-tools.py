"""What docs/other-tools.md says of other tools: read in their packages of the versions that the page names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STATED = [  # FineTuneCheck: forgetting/analyzer.py. Soup: utils/ship_verdict.py. pyrecall: detector.py
    "[FineTuneCheck](https://pypi.org/project/finetunecheck/) 2.0.2",
    "[Soup](https://pypi.org/project/soup-cli/) 0.77.0",
    "[pyrecall](https://pypi.org/project/pyrecall/) 0.12.1",
    "a sample that lost 0.1 is listed",
    "falls by more than 0.05",
    "score falls by more than 0.10",
]


def pieces() -> Iterator[str]:
    """Yield nothing: no number of the page was measured here."""
    yield from ()
