"""The numbers of docs/how-to/running-a-server.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import more_processor_time, read

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield how much more processor time a text takes among many LoRAs."""
    several = [f"{drawn}-{adapters}" for adapters in (20, 128, 1024) for drawn in ("uniform", "zipf")]
    yield f"takes {more_processor_time(read('adapter-tax')['load'], several)} % more processor time"
