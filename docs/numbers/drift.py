"""The numbers of docs/drift.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import whole

from experiments.answers.drift.bounds import LEVEL
from experiments.answers.drift.result import FEWEST
from experiments.answers.drift.signals import FAR

STATED = [f"`--level {LEVEL}`"]


def pieces() -> Iterator[str]:
    """Yield the bounds that the program has."""
    yield f"beyond which {whole(FAR)} % of such rows are"
    yield f"With fewer than {FEWEST} rows"
