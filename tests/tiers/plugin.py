"""Marks the tests that are dear, leaves out what a change cannot reach, and records what a full run measures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.tiers.measured import Change, Measured, change, left_out, order
from tests.tiers.recording import Recorder, file_of

MEASURED = pytest.StashKey[Measured]()
CHANGE = pytest.StashKey[Change]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a full run, and the gate, ask for."""
    parser.addoption(
        "--record", metavar="FOLDER", help="note what each test takes and reaches (tests/tiers/recording.py)"
    )
    parser.addoption(
        "--reached",
        nargs="?",
        const="",
        metavar="COMMIT",
        help="only what changes since COMMIT (the last full run) can reach",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read what the last full run measured, and what has changed."""
    measured = config.stash[MEASURED] = Measured.read()
    since = config.getoption("--reached")
    if since is not None:
        config.stash[CHANGE] = change(measured, since or measured.commit)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if (folder := config.getoption("--record")) and (worker or not config.getoption("numprocesses", None)):
        config.pluginmanager.register(Recorder(Path(folder).absolute(), worker or "alone"), "recorder")


@pytest.hookimpl(tryfirst=True)  # before marks are asked for
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is dear, put what takes longest first, and leave out what no change reaches."""
    measured = config.stash[MEASURED]
    place = order(measured, (file_of(item.nodeid) for item in items))
    items.sort(key=lambda item: place[file_of(item.nodeid)])
    spared = measured.spared(item.nodeid for item in items if not item.get_closest_marker("acceptance"))
    for item in items:
        if item.nodeid in measured.seconds and item.nodeid not in spared:
            item.add_marker("dear")
    if (found := config.stash.get(CHANGE, None)) is not None:
        left = {item for item in items if item.nodeid in measured.seconds and not found.reaches(item.nodeid)}
        config.hook.pytest_deselected(items=[*left])
        items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out, and why."""
    if (found := config.stash.get(CHANGE, None)) is None:
        return
    terminalreporter.section("what the change cannot reach")
    if found.core:
        terminalreporter.write_line(f"nothing is left out: {found.core}")
        return
    files = left_out(config.stash[MEASURED], found)
    terminalreporter.write_line(
        f"left out of {len(files)} files: tests that took {sum(files.values()) / 60:.0f} minutes of a processor"
    )
    for path, seconds in sorted(files.items(), key=lambda pair: -pair[1]):
        terminalreporter.write_line(f"{seconds:6.0f} s  {path}")
