"""One case, watched: it ends within a time of the processor, runs no foreign code, and writes nowhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from random import Random
from typing import Any

from tests.fuzzing.promises import CANARY
from tests.fuzzing.sites import Site

KINDS = (
    "weights", "configs", "adapters", "templates", "tokenizers", "tables", "recipes", "commands", "requests",
    "elsewhere",
)  # fmt: skip
SECONDS = 10.0  # of processor time
PATIENCE = 120.0  # seconds that a case may wait for something, on a busy machine too
OWN = ("work", "cache", "whole", "home")  # in a site's root


def case_of(number: int, kinds: tuple[str, ...] = KINDS) -> str:
    """Return the name of the case with this number: the kinds take turns."""
    return f"{kinds[number % len(kinds)]}:{number // len(kinds)}"


def try_case(site: Site, name: str) -> bool:
    """Try one case and return whether its input was taken, else refused.

    Raises:
        BaseException: it is a finding.
    """
    kind = name.partition(":")[0]
    module: Any = import_module(f"tests.fuzzing.{kind}")
    with _bounded(name):
        taken: bool = module.case(site, Random(name))
    canary = site.folder / CANARY
    if canary.exists():
        canary.unlink()
        raise AssertionError("foreign code was run")
    others = [path.name for path in site.root.iterdir() if path.name not in OWN]
    assert not others, f"written outside: {others}"
    return taken


class Late(BaseException):
    """A case takes too long; no handler of exceptions takes it for an error of a file."""


@contextmanager
def _bounded(name: str) -> Iterator[None]:
    def late(*_: object) -> None:
        raise Late(f"{name} takes more than {SECONDS:g} seconds, or waits for more than {PATIENCE:g}")

    timers = ((signal.SIGPROF, signal.ITIMER_PROF, SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE))
    before = {number: signal.signal(number, late) for number, _, _ in timers}
    for _, timer, seconds in timers:
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for number, timer, _ in timers:
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
