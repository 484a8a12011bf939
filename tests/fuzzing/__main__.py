"""Try many cases: ``python -m tests.fuzzing --cases 20000 --out fuzz.json``; see :mod:`tests.fuzzing`."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any, cast

from adapter_workbench.experiments.engine.provenance import provenance
from adapter_workbench.workbench.files.atomic import write_whole
from tests.fuzzing.watching import KINDS, cases_of
from tests.fuzzing.worker import FINDING, LEFT, MOST
from tests.patience import PATIENCE

SILENT = 1.5 * PATIENCE  # seconds without a word after which a case hangs that does not even give up by itself
STARTING = 2 * SILENT


def main() -> None:
    """Try the cases, print findings as they come, and write a document; exit with 1 if there are findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzzing", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each kind, which is its seed")
    parser.add_argument("--kinds", default=",".join(KINDS), help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--only", nargs="*", help="names of cases, as findings give them: templates:1234")
    parser.add_argument("--jobs", type=int, default=1, help="processes at the same time")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz.json"))
    given = parser.parse_args()
    kinds = cases_of(given.cases, given.first, tuple(given.kinds.split(",")))
    names = [given.only] if given.only else [*kinds.values()]
    parts = [of_kind[at : at + MOST] for of_kind in names for at in range(0, len(of_kind), MOST)]
    words = [word for word in sys.argv[1:] if word not in ("--out", str(given.out))]
    tally = Tally(provenance(f"python -m tests.fuzzing {shlex.join(words)}"), given.first)
    with ThreadPoolExecutor(given.jobs) as pool:
        for _ in pool.map(lambda part: [tally.add(reply) for reply in _tried(part)], parts):
            tally.tell()
            write_whole(given.out, json.dumps(tally.document(), indent=1, ensure_ascii=False))
    sys.exit(bool(tally.findings))


class Tally:
    """Counts what became of the cases, and keeps the findings."""

    def __init__(self, made_with: dict[str, str], first: int) -> None:
        """Count from nothing."""
        self.findings: list[dict[str, Any]] = []
        self._made_with, self._first, self._begun = made_with, first, time.monotonic()
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[str]] = {}
        self._seconds: Counter[str] = Counter()
        self._kills: Counter[str] = Counter()

    def add(self, reply: dict[str, Any]) -> None:
        """Count a case."""
        kind = reply["case"].partition(":")[0]
        with self._lock:
            self._counts.setdefault(kind, Counter())[reply["state"]] += 1
            self._seconds[kind] += reply.get("seconds", 0)
            self._kills.update(reply.get("kills", {}))
            if reply["state"] == FINDING:
                self.findings.append({"case": reply["case"], "why": reply["why"][-3000:]})
                _say(f"{reply['case']}\n{reply['why'][-1500:]}\npython -m tests.fuzzing --only {reply['case']}\n")

    def tell(self) -> None:
        """Print how many cases of each kind there were."""
        with self._lock:
            kinds = ", ".join(f"{kind} {counts.total():,}" for kind, counts in self._counts.items())
            _say(f"{time.monotonic() - self._begun:,.0f} s: {len(self.findings)} findings in {kinds}")

    def document(self) -> dict[str, Any]:
        """Return what was tried, and what was found."""
        kinds = {
            kind: {
                "cases": counts.total(),
                **{state: counts[state] for state in ("taken", "refused", FINDING) if counts[state]},
                "seconds": round(self._seconds[kind], 1),
            }
            for kind, counts in sorted(self._counts.items())
        }
        return {
            "provenance": self._made_with,
            "cases": sum(about["cases"] for about in kinds.values()),
            "findings": self.findings,
            "seconds": round(time.monotonic() - self._begun),
            "first": self._first,
            "kinds": kinds,
            "kills": dict(sorted(self._kills.items())),
        }


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
            reply = _reply(lines, STARTING if first else SILENT)
            first = False
            name = waiting.pop(0)
            if reply is None:
                hung = worker.poll() is None
                worker.kill()
                why = f"no word for {SILENT:g} seconds" if hung else f"ended with code {worker.wait()}"
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
