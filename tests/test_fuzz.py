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
ALONE = ("permissions", "kills")  # their workspaces take long, and kills have to be alone in a process
KILLS = ("kills:3", "kills:4")  # of `adapters import`, which takes least


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


def tried(tmp_path: Path, *arguments: str) -> dict[str, object]:
    """Return what the program writes about some cases."""
    out = tmp_path / "fuzz.json"
    command = [sys.executable, "-m", "tests.fuzzing", *arguments, "--out", str(out)]
    where = {"cwd": Path(__file__).parents[1], "env": environment()}
    subprocess.run(command, capture_output=True, check=False, **where)
    document: dict[str, object] = json.loads(out.read_text(encoding="utf-8"))
    return document


def test_a_killed_import_goes_on(tmp_path: Path) -> None:
    document = tried(tmp_path, "--only", *KILLS)
    assert (document["cases"], document["findings"]) == (len(KILLS), [])
    assert document["kills"].keys() == {"import"}  # type: ignore[attr-defined]


@pytest.mark.acceptance
@pytest.mark.parametrize(("kind", "cases"), [("permissions", "60"), ("kills", "10")])
def test_commands_that_may_not_write_or_are_killed_leave_nothing_half_done(
    kind: str, cases: str, tmp_path: Path
) -> None:
    document = tried(tmp_path, "--kinds", kind, "--cases", cases)
    assert (document["cases"], document["findings"]) == (int(cases), [])
