"""One case, watched: it ends within a time, takes little memory, runs no foreign code, and writes nowhere else."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from random import Random
from typing import Any

from tests.fuzzing.promises import CANARY
from tests.fuzzing.sites import Site
from tests.fuzzing.surroundings import watching
from tests.patience import PATIENCE, unrecorded

SHARES = {  # of a thousand cases; those of the last four take seconds each
    "weights": 20, "configs": 30, "adapters": 30, "templates": 30, "tables": 40, "recipes": 20, "commands": 30,
    "requests": 40, "elsewhere": 30, "tokenizers": 260, "vocabularies": 110, "task_files": 250,
    "permissions": 75, "reloads": 20, "stopped_streams": 5, "kills": 10,
}  # fmt: skip
KINDS = tuple(SHARES)
SECONDS = unrecorded(10.0)  # of processor time
OWN = ("work", "cache", "whole", "home", "tmp")  # in a site's root


def cases_of(count: int, first: int = 0, kinds: tuple[str, ...] = KINDS) -> dict[str, list[str]]:
    """Return the names of ``count`` cases by kind, in their shares; those of a kind are numbered from ``first``."""
    whole, numbers = sum(SHARES[kind] for kind in kinds), {}
    for kind in kinds:
        share = -(-count * SHARES[kind] // whole)
        numbers[kind] = [f"{kind}:{number}" for number in range(first, first + share)]
    return numbers


def try_case(site: Site, name: str) -> bool:
    """Try one case and return whether its input was taken, else refused.

    What a kind prepares for all its cases (``prepare``) takes the time it takes: imports alone take seconds.

    Raises:
        BaseException: it is a finding.
    """
    kind = name.partition(":")[0]
    module: Any = import_module(f"tests.fuzzing.{kind}")
    if prepare := getattr(module, "prepare", None):
        prepare(site, Random(name))
    with _bounded(name), watching():
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
