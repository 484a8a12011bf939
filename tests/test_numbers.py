"""Measured numbers in the documents are those of the files they come from."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
HOOK = ROOT / "docs" / "hooks" / "numbers.py"
SOURCES = ROOT / "docs" / "numbers"
PAGES = {path.stem: path for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]}
CLAIMS = """STATED = ["at most 12.5 %"]


def said():
    yield "| lora | 91.0 |"
    yield "It is 7.5 points higher."
"""


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("numbers_hook", HOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(path.stem for path in SOURCES.glob("*.py") if path.stem in PAGES))
def test_a_page_says_what_its_files_say(hook: ModuleType, name: str) -> None:
    assert not hook.problems(PAGES[name].read_text(encoding="utf-8"), name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("| lora | 91.0 |\n\nIt is 7.5 points\nhigher. It is at most 12.5 %.", ""),
        ("| lora | 91.1 |\n\nIt is 7.5 points higher. It is at most 12.5 %.", "its files say: | lora | 91.0 |"),
        ("| lora | 91.0 |\n\nIt is 7.5 points lower. It is at most 12.5 %.", "its files say: It is 7.5 points higher."),
        ("| lora | 91.0 |\n\nIt is 7.5 points higher.", "STATED, but not in the page: at most 12.5 %"),
        ("| lora | 91.0 |\n\nIt is 7.5 points higher. It is at most 12.5 %, or 13 %.", "nothing vouches for 13"),
        ("| lora | 91.0 |\n\nIt is 7.5 points higher. It is at most 12.5 %.\n\n```\n13.5\n```", ""),
        ("| lora | 91.0 |\n\nIt is 7.5 points higher. It is at most 12.5 %. torch 2.13.0, arXiv:2005.00247", ""),
        ("| lora | 91.0 |\n\nIt is 7.5 points higher. The 95 % interval, 95 % t intervals. It is at most 12.5 %.", ""),
    ],
)
def test_what_a_file_does_not_say_is_found(hook: ModuleType, text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(CLAIMS, encoding="utf-8")
    found = hook.problems(text, "page", tmp_path)
    assert complaint in found[0] if complaint else not found


def test_a_page_with_numbers_needs_a_source(hook: ModuleType, tmp_path: Path) -> None:
    assert "there is no page.py" in hook.problems("It forgot 8.4 points.", "page", tmp_path)[0]
    assert not hook.problems("It forgot nothing.", "page", tmp_path)
