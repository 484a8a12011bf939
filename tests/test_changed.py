"""What a change needs: the cases of a changed entry, the files of tests that import a module, and nothing beside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.changed import ROOT, needed


def names(files: set[Path]) -> set[str]:
    return {file.name for file in files}


def test_a_changed_entry_needs_its_own_cases_and_the_file_named_after_it() -> None:
    selection = needed(["experiments/strategies/o_lora.py"])
    assert names(selection.whole) == {"test_strategies_o_lora.py"}
    assert [*selection.over] == ["o-lora"]
    assert {"test_contracts.py", "test_strategies_choice.py"} <= names(selection.over["o-lora"])


@pytest.mark.parametrize(
    ("changed", "tests"),
    [
        ("experiments/history/runs.py", {"test_history.py"}),
        ("tests/test_fuzz.py", {"test_fuzz.py"}),
        ("tests/closed_forms.py", {"test_contracts.py"}),  # a helper: the files that import it
        ("docs/explanations/fusion.md", {"test_documents.py", "test_numbers.py"}),
        ("Makefile", {"test_makefile.py"}),
        ("tests/test_that_was_removed.py", set()),
    ],
)
def test_any_other_file_needs_the_tests_that_know_it(changed: str, tests: set[str]) -> None:
    selection = needed([changed])
    assert names(selection.whole) >= tests
    assert bool(selection.whole) == bool(tests)
    assert len(selection.whole) < 10
    assert not selection.over


class Collected:
    """A plugin that notes what pytest would run."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.files.update(item.path.name for item in session.items)


def test_of_a_contract_the_cases_of_the_changed_entry_run_also_those_that_wait() -> None:
    """In another session of pytest in this process, which has the libraries already: a plugin says what is needed."""
    found, collected = needed(["workbench/methods/methods/lora_ga.py"]), Collected()
    found.over["lora-ga"] &= {ROOT / "tests" / "test_contracts.py", ROOT / "tests" / "workbench" / "test_half_width.py"}
    options = ["-m", "", "--collect-only", "-qq", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(ROOT)]
    files = [str(ROOT / name) for name in found.files]  # wherever this process stands
    assert pytest.main([*options, *files], plugins=[found, collected]) == 0
    taught, gradients, cache, card = 3, 3, 1, 1  # each architecture; generation with its cache; the card
    half_width, in_float32 = 3 + 1, 2 + 1  # each architecture that can be so; what is made anew in a fit
    assert collected.files == {
        "test_contracts.py": taught + gradients + cache + card,
        "test_half_width.py": half_width + in_float32,
    }
