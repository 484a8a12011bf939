"""How much memory a control group leaves to this process: a container, SLURM or systemd may have set one up.

A limit holds for all groups inside the group that has it, so the smallest one counts of the process's own group and
those around it (cgroups(7)).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM = Path("/")
UNLIMITED = 2**62  # bytes: version 1 writes a number near 2**63 where a group has no limit


@dataclass(frozen=True)
class Version:
    """Where a version of control groups has its files.

    Attributes:
        mount: folder of the outermost group.
        limit: file in a group's folder with the most bytes that the group may take.
        used: file with the bytes that it takes.
        reclaimable: line of ``memory.stat`` with the bytes of files that can be taken back.
    """

    mount: str
    limit: str
    used: str
    reclaimable: str


FIRST = Version("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
SECOND = Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def memory_limit(system: Path = SYSTEM) -> int | None:
    """Return how many bytes the process's control groups let it take; None where none of them has a limit."""
    limits = (_limit(folder, version) for folder, version in _groups(system))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_left(system: Path = SYSTEM) -> int | None:
    """Return how many bytes the process's control groups leave; pages of files can be taken back, and do not count."""
    free = (_left(folder, version) for folder, version in _groups(system))
    return min((left for left in free if left is not None), default=None)


def _groups(system: Path) -> Iterator[tuple[Path, Version]]:
    """Yield the folder of the process's group and of each group around it; some may not be visible in a container."""
    with suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            version = FIRST if controllers else SECOND
            mount = system / version.mount
            group = mount / path.lstrip("/")
            yield from ((folder, version) for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _limit(folder: Path, version: Version) -> int | None:
    with suppress(OSError, ValueError):
        limit = int((folder / version.limit).read_text(encoding="ascii"))
        return limit if limit < UNLIMITED else None
    return None


def _left(folder: Path, version: Version) -> int | None:
    if (limit := _limit(folder, version)) is None:
        return None
    with suppress(OSError, ValueError):
        used = int((folder / version.used).read_text(encoding="ascii"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(stat[version.reclaimable])
    return None
