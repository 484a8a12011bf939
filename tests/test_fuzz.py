"""Whatever a command is given: one short message at the most, no traceback, nothing changed, no foreign code run.

A few cases of each kind, the same ones every time; ``python -m tests.fuzzing --cases 20000`` tries more of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.fuzzing.sites import Site, site
from tests.fuzzing.watching import KINDS, try_case

FEW = {"elsewhere": 12, "vocabularies": 16, "reloads": 1, "stopped_streams": 3, "weights": 20}
CASES = 24  # of each other kind
ALONE = ("permissions", "kills")  # their workspaces take long to make


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("fuzz") / "root") as made:
        yield made


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ALONE])
def test_hostile_input_is_taken_or_refused(kind: str, workplace: Site) -> None:
    for number in range(FEW.get(kind, CASES)):
        name = f"{kind}:{number}"
        try:
            try_case(workplace, name)
        except BaseException as error:
            error.add_note(f"python -m tests.fuzzing --only {name}")
            raise


@pytest.mark.acceptance
@pytest.mark.parametrize(("kind", "cases"), [("permissions", 60), ("kills", 10)])
def test_commands_that_may_not_write_or_are_killed_leave_nothing_half_done(
    kind: str, cases: int, tmp_path: Path
) -> None:
    """Each in a process of its own: children that are killed are forked from it."""
    out = tmp_path / "fuzz.json"
    command = [sys.executable, "-m", "tests.fuzzing", "--kinds", kind, "--cases", str(cases), "--out", str(out)]
    subprocess.run(command, cwd=Path(__file__).parents[1], env=environment(), capture_output=True, check=False)
    document = json.loads(out.read_text(encoding="utf-8"))
    assert (document["cases"], document["findings"]) == (cases, [])
