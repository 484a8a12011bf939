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
    document = read("handing-out")
    starts = document["ray_start_seconds"]
    yield row(
        "pieces", "seconds, both runs", "seconds to half", "Ray's starts, apart", "processor seconds", "peak memory"
    )
    yield row(
        f"{document['pieces']:,}",
        f"{document['seconds']}",
        f"{document['seconds_to_half']}",
        " + ".join(f"{start}" for start in starts),
        f"{document['cpu_seconds']}",
        f"{document['peak_mb']} MB",
    )
    milliseconds = 1000 * document["cpu_seconds"] / document["pieces"]
    yield f"It takes {milliseconds:.1f} ms of a processor for each piece, imports included"
    require(document["seconds"] < 60 and document["peak_mb"] < 1000, "under a minute and a gigabyte")
    yield f"{document['pieces'] / document['seconds']:.0f} pieces a second"
