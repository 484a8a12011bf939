"""Whatever a command is given: one short message at the most, no traceback, nothing changed, no foreign code run.

A few cases of each kind, the same ones every time; ``python -m tests.fuzzing --cases 20000`` tries more of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzzing.sites import Site, site
from tests.fuzzing.watching import KINDS, try_case

CASES = 33  # of each kind: 330


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("fuzz") / "root") as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_input_is_taken_or_refused(kind: str, workplace: Site) -> None:
    for number in range(CASES):
        name = f"{kind}:{number}"
        try:
            try_case(workplace, name)
        except BaseException as error:
            error.add_note(f"python -m tests.fuzzing --only {name}")
            raise
