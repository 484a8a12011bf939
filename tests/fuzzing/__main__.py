"""Try many cases: ``python -m tests.fuzzing --cases 20000 --out FOLDER``; see :mod:`tests.fuzzing`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any, cast

from tests.fuzzing.watching import KINDS, case_of
from tests.fuzzing.worker import FINDING, LEFT, MOST

PATIENCE = 180.0  # seconds without a word after which a case counts as hanging
STARTING = 600.0


def main() -> None:
    """Count what was taken and refused, write findings to ``findings.jsonl``, and exit with 1 if there are any."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--only", nargs="*", help="names of cases, as findings give them: templates:1234")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.cases)
    names = given.only or [case_of(number, tuple(given.kinds.split(","))) for number in numbers]
    given.out.mkdir(parents=True, exist_ok=True)
    parts = [names[at : at + MOST] for at in range(0, len(names), MOST)]
    with (given.out / "findings.jsonl").open("a") as findings, ThreadPoolExecutor(given.jobs) as pool:
        tally = Tally(findings)
        for _ in pool.map(lambda part: [tally.add(reply) for reply in _tried(part)], parts):
            tally.tell()
    tally.tell_each()
    sys.exit(tally.found)


class Tally:
    """Counts what became of the cases, and writes down findings as they come."""

    def __init__(self, findings: IO[str]) -> None:
        """Count from nothing; ``findings`` is written to."""
        self._findings, self._lock = findings, threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._seconds: Counter[str] = Counter()

    @property
    def found(self) -> bool:
        """Whether there is a finding."""
        return any(state == FINDING for _, state in self._counts)

    def add(self, reply: dict[str, Any]) -> None:
        """Count a case."""
        kind = reply["case"].partition(":")[0]
        with self._lock:
            self._counts[kind, reply["state"]] += 1
            self._seconds[kind] += reply.get("seconds", 0)
            if reply["state"] == FINDING:
                self._findings.write(json.dumps(reply) + "\n")
                self._findings.flush()
                _say(f"{reply['case']}\n{reply['why'][-1500:]}\n")

    def tell(self) -> None:
        """Print how many cases there were."""
        states: Counter[str] = Counter()
        for (_, state), count in self._counts.items():
            states[state] += count
        _say(f"{states.total():,} cases: {', '.join(f'{count:,} {state}' for state, count in sorted(states.items()))}")

    def tell_each(self) -> None:
        """Print the same for each kind, with processor time."""
        for kind in sorted(self._seconds):
            about = {state: count for (of, state), count in sorted(self._counts.items()) if of == kind}
            _say(f"{kind}: {about}, {self._seconds[kind] / sum(about.values()) * 1000:.0f} ms a case")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tried(names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what became of each case; a worker that crashes or hangs is replaced, and that is a finding."""
    waiting = list(names)
    while waiting:
        yield from _until_lost(waiting)


def _until_lost(waiting: list[str]) -> Iterator[dict[str, Any]]:
    """Try the cases that are ``waiting`` and take them off it, until all are tried or a worker is lost."""
    command = [sys.executable, "-m", "tests.fuzzing.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        lines: Queue[str] = Queue()
        threading.Thread(target=_read, args=(worker.stdout, lines), daemon=True).start()
        stream = cast("IO[str]", worker.stdin)
        first = True
        while waiting:
            stream.write(f"{waiting[0]}\n")
            stream.flush()
            reply = _reply(lines, STARTING if first else PATIENCE)
            first = False
            name = waiting.pop(0)
            if reply is None:
                hung = worker.poll() is None
                worker.kill()
                why = f"no word for {PATIENCE:g} seconds" if hung else f"ended with code {worker.wait()}"
                yield {"case": name, "state": FINDING, "why": f"the process {why}"}
                return
            yield reply
        stream.close()


def _reply(lines: Queue[str], patience: float) -> dict[str, Any] | None:
    while True:
        try:
            line = lines.get(timeout=patience)
        except Empty:
            return None
        if not line:
            return None
        reply: dict[str, Any] = json.loads(line)
        if reply["state"] != LEFT:
            return reply


def _read(stream: IO[str], lines: Queue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


if __name__ == "__main__":
    main()
