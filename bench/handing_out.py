"""How long does it take to hand out a plan of many pieces to processes of Ray's, and how much memory?

    python -m bench.handing_out --out docs/results/handing-out.json

The pieces are chains of ten, as the stages of a stream are, and their work is a sleep of 0 seconds and an empty file.
A run is broken off when half of them are done; a second one finds out what is done, and goes on to the end. The results
are seconds of the clock, Ray's start and end apart, seconds of a processor, and the peak of this process's memory.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.run import run
from adapter_workbench.experiments.engine.workers.local_ray import local_ray
from adapter_workbench.experiments.engine.workers.ray import RayWorkers
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.machine.memory import resident_peak
from bench import program

if TYPE_CHECKING:
    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.engine.study import Plan, Study
    from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot
    from adapter_workbench.experiments.workspace import RecordDocument

CHAIN = 10  # pieces that go on from each other


@dataclass(frozen=True)
class Nothing:
    """A piece that sleeps for 0 seconds, and leaves an empty file."""

    number: int
    alone: bool = False

    @property
    def key(self) -> str:
        """Its number."""
        return f"nothing-{self.number}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The piece before it in its chain."""
        return (Nothing(self.number - 1).key,) if self.number % CHAIN else ()

    @property
    def coordinates(self) -> dict[str, Any]:
        """Where it stands in its chain."""
        return {"part": "nothing", "chain": self.number // CHAIN, "stage": self.number % CHAIN}

    @property
    def label(self) -> str:
        """Its number."""
        return f"nothing {self.number}"

    @property
    def effort(self) -> Effort:
        """One step."""
        return Effort("nothing", 1)

    def is_done(self, workspace: Workspace) -> bool:
        """Return whether its file is there."""
        return (workspace.root / "nothings" / self.key).is_file()

    def work(self, site: Site) -> None:
        """Leave its file."""
        time.sleep(0)
        folder = site.workspace.root / "nothings"
        folder.mkdir(exist_ok=True)
        (folder / self.key).touch()


class HalfWayError(Exception):
    """Half of the pieces are done."""


@dataclass
class Clock:
    """Seconds that Ray took to begin and to end, in all runs together."""

    jobs: int
    seconds: float = 0.0
    starts: list[float] = field(default_factory=list)

    @contextmanager
    def begin(self, root: Path) -> Iterator[Sequence[WorkerSlot]]:
        """Begin Ray on this machine."""
        began = time.perf_counter()
        with local_ray(self.jobs) as slots:
            self.starts.append(round(time.perf_counter() - began, 1))
            self.seconds += time.perf_counter() - began
            yield slots
            began = time.perf_counter()
        self.seconds += time.perf_counter() - began


def measured(pieces: int, jobs: int, root: Path) -> dict[str, Any]:
    """Return what it takes to plan, hand out and resume so many pieces in a workspace."""
    began, workspace, clock = time.perf_counter(), Workspace(root), Clock(jobs)
    workers = RayWorkers(clock.begin, _ready)
    study, done = _study(pieces), list[str]()

    def after(half: int) -> Callable[[RecordDocument, Piece, Workspace], None]:
        def on_done(record: RecordDocument, piece: Piece, workspace: Workspace) -> None:
            done.append(piece.key)
            if len(done) == half:
                raise HalfWayError

        return on_done

    plan = cast("Plan", SimpleNamespace(name="handing-out"))
    with suppress(HalfWayError):
        run(study, plan, workspace, Silent(), workers=workers, on_done=after(pieces // 2))
    broken_off = time.perf_counter() - began - clock.seconds
    run(study, plan, workspace, Silent(), workers=workers, on_done=after(-1))
    seconds = time.perf_counter() - began - clock.seconds
    usage, peak = resource.getrusage(resource.RUSAGE_SELF), resident_peak()
    return {
        "pieces": pieces,
        "jobs": jobs,
        "told_as_done": len(set(done)),
        "seconds": round(seconds, 1),
        "seconds_to_half": round(broken_off, 1),
        "ray_start_seconds": clock.starts,
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mb": None if peak is None else round(peak),
    }


def _study(pieces: int) -> Study:
    """Return a study whose every plan has so many pieces."""
    every = [Nothing(number) for number in range(pieces)]
    return cast("Study", SimpleNamespace(key="nothing", shared_facts=lambda plan: {}, pieces=lambda plan: every))


def _ready(threads: int) -> None:
    """Bring in nothing: no piece trains."""


def main(
    context: typer.Context,
    out: program.Out,
    pieces: Annotated[int, typer.Option(min=2, help="How many.")] = 10_000,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that do them.")] = 2,
) -> None:
    """Plan, hand out, break off, resume; print what it took."""
    with tempfile.TemporaryDirectory() as root:
        results = measured(pieces, jobs, Path(root))
    program.write(context, out, **results)
    program.show(results)


if __name__ == "__main__":
    typer.run(main)
