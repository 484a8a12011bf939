"""The numbers of docs/cluster/many-machines.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, row

STATED = [
    # proportional set sizes of the pages of the weights, of one backbone opened by processes side by side; in no file
    "| MiniLM | float32 | 91 MB | 92 MB |",
    "| MiniLM | bfloat16, for arithmetic in float32 | 89 MB | 89 MB |",
    "| MiniLM | bfloat16, for arithmetic in bfloat16 | 68 MB | 68 MB |",
]


def pieces() -> Iterator[str]:
    """Yield what handing out took, and what it comes to for each piece."""
    found = read("handing-out")
    starts = found["ray_start_seconds"]
    yield row(
        "pieces", "seconds, both runs", "seconds to half", "Ray's starts, apart", "processor seconds", "peak memory"
    )
    yield row(
        f"{found['pieces']:,}",
        f"{found['seconds']}",
        f"{found['seconds_to_half']}",
        " + ".join(f"{start}" for start in starts),
        f"{found['cpu_seconds']}",
        f"{found['peak_mb']} MB",
    )
    each = 1000 * found["cpu_seconds"] / found["pieces"]
    yield f"It takes {each:.1f} ms of a processor for each piece, imports included"
    require(found["seconds"] < 60 and found["peak_mb"] < 1000, "under a minute and a gigabyte")
    yield f"{found['pieces'] / found['seconds']:.0f} pieces a second"
