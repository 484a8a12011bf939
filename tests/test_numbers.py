"""Measured numbers in the documents are those of the files they come from."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from adapter_workbench.workbench.measures.statistics import interval

ROOT = Path(__file__).parents[1]
HOOK = ROOT / "docs" / "hooks" / "numbers.py"
SOURCES = ROOT / "docs" / "numbers"
DOCUMENTS = HOOK.parents[1]
PAGES = {"README": ROOT / "README.md"} | {
    path.relative_to(DOCUMENTS).with_suffix("").as_posix(): path for path in DOCUMENTS.rglob("*.md")
}
CLAIMS = """STATED = ["at most 12.5 %"]


def pieces():
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


@pytest.mark.parametrize("name", sorted(PAGES))
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
    problems = hook.problems(text, "page", tmp_path)
    assert complaint in problems[0] if complaint else not problems


REFUTED = {  # what a referee found to be stronger than its file, and what that says
    "in 80 % of cases": "the mean of seven cases, from 45 to 100 %",
    "a loss of 5 points in four of five cases": "the same",
    "cost a batch no more": "a text takes 5 to 10 % more processor time",
    "a batch costs the same": "the same",
    "cannot be said before": "one model could not, and three of its inputs are one number",
    "does what nothing else does": "the sources called one after the other were not compared",
    "the shared LoRA does not": "undecided",
}


@pytest.mark.parametrize("claim", REFUTED)
def test_what_a_referee_refuted_is_said_on_no_page(claim: str) -> None:
    pages = {name: " ".join(path.read_text(encoding="utf-8").split()) for name, path in PAGES.items()}
    assert not [name for name, text in pages.items() if claim in text], REFUTED[claim]


def test_every_source_has_a_page() -> None:
    beside = {path.relative_to(SOURCES).with_suffix("").as_posix() for path in SOURCES.rglob("*.py")} - set(PAGES)
    assert all(name.startswith("measured") for name in beside)


def test_a_pair_is_read_in_either_direction(hook: ModuleType) -> None:
    measured = hook.execute("measured", SOURCES / "measured.py")
    bounds = {"mean": 0.05, "low": -0.01, "high": 0.11}
    difference = {**bounds, "reading": "not distinguishable", "bootstrap": {**bounds, "low": 0.02}}
    document = {"pairs": [{"first": "a", "second": "b", "average_accuracy": difference}]}
    assert measured.pair(document, "a", "b") == difference
    turned = measured.pair(document, "b", "a")
    assert (measured.gap(turned), measured.limits(turned["bootstrap"])) == ("−5.0 [−11.0, 1.0]", "[−11.0, −2.0]")
    with pytest.raises(ValueError, match="no pair 'a' and 'c'"):
        measured.pair(document, "a", "c")


def test_what_a_recipe_asks_is_adjusted_apart_from_what_it_does_not(hook: ModuleType) -> None:
    measured = hook.execute("measured", SOURCES / "measured.py")

    def gaps(*values: float) -> dict[str, object]:
        return {"values": list(values), "bootstrap": {"mean": 0.1, "low": 0.05, "high": 0.15}}

    firm, loose = gaps(0.10, 0.11, 0.12), gaps(0.05, 0.10, 0.15)
    document = {
        "reference": "r",
        "strategies": {
            "r": {"comparison": None},
            "a": {"comparison": {"average_accuracy": firm}},
            "b": {"comparison": {"average_accuracy": loose}},
        },
        "pairs": [
            {"first": "a", "second": "b", "average_accuracy": firm},
            {"first": "a", "second": "r", "average_accuracy": loose},
        ],
    }
    asked, other = measured.declared(document), measured.explored(document)
    assert (asked["a"].adjusted, asked["b"].adjusted) == (2 * asked["a"].p, asked["b"].p)
    assert [*other] == ["a − b"]
    assert other["a − b"].adjusted == other["a − b"].p, "the pair with the reference is not among them"
    assert measured.apart(asked) == ["a"]


def test_words_that_a_file_does_not_bear_out_are_named(hook: ModuleType) -> None:
    measured = hook.execute("measured", SOURCES / "measured.py")
    assert measured.require(True, "it is above") == "it is above"
    with pytest.raises(ValueError, match="the file does not bear out: it is above"):
        measured.require(False, "it is above")


def test_a_page_with_numbers_needs_a_source(hook: ModuleType, tmp_path: Path) -> None:
    assert "there is no page.py" in hook.problems("It forgot 8.4 points.", "page", tmp_path)[0]
    assert not hook.problems("It forgot nothing.\n\n```text\nforgot 8.4\n```", "page", tmp_path)


def test_a_build_stops_where_a_page_says_something_else(hook: ModuleType) -> None:
    file = SimpleNamespace(src_uri="evidence/learning-rates.md", generated_by=None)
    text = PAGES["evidence/learning-rates"].read_text(encoding="utf-8")
    assert hook.on_page_markdown(text, SimpleNamespace(file=file)) == text
    with pytest.raises(hook.PluginError, match=r"evidence/learning-rates\.md: \d+ numbers or pieces"):
        hook.on_page_markdown(text.replace("93.1", "94.1"), SimpleNamespace(file=file))


def test_a_build_stops_where_readme_says_something_else(hook: ModuleType, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text.replace("83.1 [82.6, 83.7]", "83.2 [82.6, 83.7]"), encoding="utf-8")
    with pytest.raises(hook.PluginError, match=r"README\.md: \d+ numbers or pieces"):
        hook.on_pre_build(SimpleNamespace(config_file_path=str(tmp_path / "mkdocs.yml")))


def test_fewer_data_make_no_agreement(hook: ModuleType) -> None:
    program = hook.load(SOURCES / "evidence" / "reproduced.py")

    def ours(*values: float) -> dict[str, Any]:
        over = interval(values)
        return {"mean": over.mean, "low": over.low, "high": over.high, "values": list(values)}

    assert program.reading(0.01, ours(-0.02, 0.02)) == "open", "two seeds hold nearly everything"
    assert program.reading(0.005, ours(0.0, 0.004, -0.003, 0.002)) == "agrees"
    assert program.reading(0.05, ours(0.01, 0.011, 0.012)) == "smaller here"


@pytest.mark.parametrize(
    ("name", "readings", "outcome"),
    [
        ("C1", {"pair-sum": "higher"}, "supported"),
        ("C1", {"pair-sum": "equal"}, "refuted"),
        ("C1", {"pair-sum": "undecided"}, "neither"),
        ("C2", {"pair-sum": "equal"}, "supported"),
        ("C2", {"pair-sum": "higher"}, "refuted"),
        ("B2", {"pair-mix": "higher", "pair-start, mixed data": "undecided"}, "neither"),
        ("B2", {"pair-mix": "higher", "pair-start, mixed data": "lower"}, "supported"),
        ("B2", {"pair-mix": "higher", "pair-start, mixed data": "higher"}, "refuted"),
        ("A3", {"fused": "undecided", "meta": "higher"}, "supported"),
        ("A3", {"fused": "undecided", "meta": "lower"}, "neither"),
        ("A3", {"fused": "equal", "meta": "lower"}, "refuted"),
        (
            "D1",
            {"warm-start": "higher", "warm-start, random sources": "equal", "warm-start, shuffled sources": "lower"},
            "neither",
        ),
    ],
)
def test_an_outcome_is_what_was_registered(hook: ModuleType, name: str, readings: dict[str, str], outcome: str) -> None:
    hook.load(SOURCES / "explanations" / "composing.py")
    hypothesis = next(each for each in sys.modules["measured_designs"].HYPOTHESES if each.name == name)
    assert hypothesis.outcome(readings) == outcome
