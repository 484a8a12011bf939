"""How much memory there is, and how much a piece of work took at its highest.

A container, SLURM or systemd may have set up a control group. Its limit holds for all groups inside it, so the smallest
one counts of the process's own group and those around it (cgroups(7)).
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Self, TypeVar

MB = 1e6
LIBRARIES = ("peft", "transformers.trainer")  # that every fit needs
Result = TypeVar("Result")
SYSTEM = Path("/")  # below which control groups have their files
UNLIMITED = 2**62  # bytes: version 1 writes a number near 2**63 where a group has no limit


def available() -> int | None:
    """Return how many bytes are free: on the accelerator if there is one, else in the memory of the machine.

    None where the system does not tell. A control group that a container or a scheduler sets up counts as the machine.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0]
    sizes = [free for free in (_of_machine("MemAvailable"), memory_left()) if free is not None]
    return min(sizes, default=None)


def installed_bytes() -> int | None:
    """Return the memory in bytes of the accelerator, else of the machine; None where it is not known.

    Of several accelerators the one that torch takes by default counts, and a control group counts as the machine.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[1]
    sizes = [size for size in (_of_machine("MemTotal"), memory_limit()) if size is not None]
    return min(sizes, default=None)


def set_libraries_aside() -> None:
    """Import what every fit needs, and exclude all objects of now from garbage collection.

    Every fit collects garbage, and would go through all that these libraries hold: a third of a second each time.
    """
    for name in LIBRARIES:
        import_module(name)
    gc.collect()
    gc.freeze()


@contextmanager
def objects_set_aside() -> Iterator[None]:
    """Exclude all objects of now from garbage collection until the end of the context.

    Of them, what refers to itself in a circle is not freed meanwhile.
    """
    before = gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if not before:
            gc.unfreeze()


@contextmanager
def libraries_set_aside() -> Iterator[None]:
    """Do as :func:`set_libraries_aside`, until the end of the context.

    What was excluded before, by a context around this one or by a program that this one is a part of, stays excluded.
    """
    before = gc.get_freeze_count()
    if before and {*LIBRARIES} <= sys.modules.keys():
        yield
        return
    set_libraries_aside()
    try:
        yield
    finally:
        if not before:
            gc.unfreeze()


class PeakMemory:
    """A context that measures the highest memory inside it; another one may be inside.

    On a GPU that is what torch allocated on the device; elsewhere it is the resident memory of the process, whose
    high-water mark Linux lets a process reset (proc(5), ``clear_refs``).

    Attributes:
        before_mb: what was in use when the context was entered, in MB (10⁶ bytes); None where the system does not tell.
        peak_mb: after the context, the peak in MB, or None where the system does not tell.
    """

    before_mb: float | None = None
    peak_mb: float | None = None

    def __enter__(self) -> Self:
        """Forget earlier peaks, except for the contexts that this one is inside of."""
        for outer in _MEASURING:
            outer._note()
        self._noted: list[float] = []
        self._resettable = _reset_high_water_mark()
        if self._resettable:
            import torch

            self.before_mb = torch.cuda.memory_allocated() / MB if torch.cuda.is_available() else _high_water_mark()
        _MEASURING.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _MEASURING.remove(self)
        self._note()
        self.peak_mb = max(self._noted, default=None)

    def _note(self) -> None:
        """Keep how high memory has been since the mark, of which there is one for all contexts, was last reset."""
        if self._resettable and (mark := _high_water_mark()) is not None:
            self._noted.append(mark)


_MEASURING: list[PeakMemory] = []  # the contexts that are open, the outermost first


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # parameters of mallopt(3)


SMALLEST_MMAP, LARGEST_MMAP = 128 * 1024, 32 * 1024 * 1024  # bytes: where glibc's own threshold begins and ends


MOST_MMAPS, NEVER = 65536, 2**31 - 1


@contextmanager
def freed_for_reuse() -> Iterator[None]:
    """Let glibc keep freed blocks of every size for those that come next, and give them back after the work.

    By itself it keeps none above 32 MiB. The gradient of MiniLM's word embeddings has 47 MB: each step would get it
    page by page from the system, which clears them first. Full fine-tuning takes a seventh less time without that.
    """
    _glibc("mallopt", M_MMAP_MAX, 0)
    _glibc("mallopt", M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        _as_usual()
        _glibc("malloc_trim", 0)


@contextmanager
def freed_at_once() -> Iterator[None]:
    """Let glibc give every freed block of 128 KiB or more back to the system at once; other C libraries are left alone.

    By default it keeps most of them for later, and of a training step's peak a fifth to a third is such left-overs. The
    thresholds for that adapt themselves until they are set; after the work they stand where they end up in any process
    that has freed a large tensor. Blocks that were freed before are used again all the same, and kept: see
    :func:`run_in_thread`.
    """
    _glibc("mallopt", M_MMAP_THRESHOLD, SMALLEST_MMAP)
    _glibc("mallopt", M_TRIM_THRESHOLD, SMALLEST_MMAP)
    release()
    try:
        yield
    finally:
        _as_usual()


def run_in_thread(work: Callable[[], Result]) -> Result:
    """Return what ``work`` gives, done in a thread of its own where memory is the processor's.

    There glibc has a heap in which nothing was freed yet, so that no block of before is used again and kept.
    """
    import torch

    if torch.cuda.is_available():
        return work()
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(work).result()


def release() -> None:
    """Give memory that nothing refers to any more back to the system, as far as the C library does that on request.

    Each thread has a heap of its own, and glibc gives back only what is free at a heap's end. What one thread allocates
    and another frees, or what is freed between two blocks that stay, would remain with the process.
    """
    gc.collect()
    _glibc("malloc_trim", 0)


def resident_peak() -> float | None:
    """Return this process's highest resident memory since the mark was last reset, in MB; None where nobody tells.

    ``getrusage`` tells another figure: there a process that another one began also has that one's peak (Linux).
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / MB
    return None


@dataclass(frozen=True)
class ControlGroups:
    """Where version 1 or 2 of control groups has its files."""

    mount: str  # folder of the outermost group
    limit: str  # file in a group's folder with the most bytes that the group may take
    used: str  # file with the bytes that it takes
    reclaimable: str  # line of ``memory.stat`` with the bytes of files that can be taken back


VERSION_1 = ControlGroups(
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)


VERSION_2 = ControlGroups("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def memory_limit(system: Path = SYSTEM) -> int | None:
    """Return how many bytes the process's control groups let it take; None where none of them has a limit."""
    limits = (_group_limit(folder, version) for folder, version in _control_groups(system))
    return min((limit for limit in limits if limit is not None), default=None)


def memory_left(system: Path = SYSTEM) -> int | None:
    """Return how many bytes the process's control groups leave; pages of files can be taken back, and do not count."""
    free = (_group_left(folder, version) for folder, version in _control_groups(system))
    return min((left for left in free if left is not None), default=None)


def _of_machine(field: str) -> int | None:
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None


def _as_usual() -> None:
    _glibc("mallopt", M_MMAP_MAX, MOST_MMAPS)
    _glibc("mallopt", M_MMAP_THRESHOLD, LARGEST_MMAP)
    _glibc("mallopt", M_TRIM_THRESHOLD, 2 * LARGEST_MMAP)


def _glibc(function: str, *arguments: int) -> None:
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), function):
        getattr(library, function)(*arguments)


def _reset_high_water_mark() -> bool:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return True
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _high_water_mark() -> float | None:
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / MB
    return resident_peak()


def _control_groups(system: Path) -> Iterator[tuple[Path, ControlGroups]]:
    """Yield the folder of the process's group and of each group around it; some may not be visible in a container."""
    with suppress(OSError):
        for line in (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            version = VERSION_1 if controllers else VERSION_2
            mount = system / version.mount
            group = mount / path.lstrip("/")
            yield from ((folder, version) for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _group_limit(folder: Path, version: ControlGroups) -> int | None:
    with suppress(OSError, ValueError):
        limit = int((folder / version.limit).read_text(encoding="ascii"))
        return limit if limit < UNLIMITED else None
    return None


def _group_left(folder: Path, version: ControlGroups) -> int | None:
    if (limit := _group_limit(folder, version)) is None:
        return None
    with suppress(OSError, ValueError):
        used = int((folder / version.used).read_text(encoding="ascii"))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(stat[version.reclaimable])
    return None
