"""The numbers of docs/evidence/many-machines.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import read, require, row

WAYS = {
    "alone": "inline, the other core idle",
    "beside": "inline on each core at the same time, two runs that know nothing of each other",
    "cluster": "one run on two nodes",
}
STATED = [
    "The aim was 0.9",
    "the same measurement gave 0.877",  # in no file, as all of these
    "takes 5.4 % of a core",  # processor time of all processes over 211 s, from /proc
    "slow each other down by 2 to 5 %",
    # proportional set sizes of the pages of the weights, of one backbone opened by processes side by side; in no file
    "| MiniLM | float32 | 91 MB | 92 MB |",
    "| MiniLM | bfloat16, for arithmetic in float32 | 89 MB | 89 MB |",
    "| MiniLM | bfloat16, for arithmetic in bfloat16 | 68 MB | 68 MB |",
]


def pieces() -> Iterator[str]:
    """Yield what two machines gain, and what handing out takes."""
    yield from gained(read("efficiency"))
    yield from handed_out()


def gained(document: dict[str, Any]) -> Iterator[str]:
    """Yield the seconds of each way, and the efficiency."""
    for name, runs in document["runs"].items():
        seconds, starts = ([run[key] for run in runs] for key in ("seconds", "starting"))
        yield row(WAYS[name], " and ".join(map(str, seconds)), " and ".join(map(str, starts)))
    efficiency = document["efficiency"]["alone"]
    require(efficiency >= 0.9, "the aim of 0.9")
    yield f"**{efficiency:.3f}**"


def handed_out() -> Iterator[str]:
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
    yield f"{milliseconds:.1f} ms of a processor a piece"
    require(document["seconds"] < 60 and document["peak_mb"] < 1000, "under a minute and a gigabyte")
    yield f"{document['pieces'] / document['seconds']:.0f} pieces a second"
