"""Each shipped recipe and each stored report passes the referee's checklist, but for what is listed with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.studies.core.checklist import CONTROL, ONE_THING, QUESTIONS
from adapter_workbench.workbench.settings.base import Document
from bench import checklist
from bench.checklist import plan_answers, plans
from bench.checklist_exceptions import KNOWN
from tests.experiments.report.finished import FINISHED

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.core.checklist import Answer, Checked

DOCUMENTS = Path(__file__).parents[2] / "docs"
REPORTS: dict[str, Checked] = dict(checklist.stored())
PLANS: dict[str, tuple[Answer, ...]] = dict(plans())


@pytest.mark.parametrize("name", PLANS)
def test_a_shipped_recipe_passes(name: str) -> None:
    assert checklist.unknown(name, PLANS[name]) == []


@pytest.mark.parametrize("name", REPORTS)
def test_a_stored_report_passes(name: str) -> None:
    assert checklist.unknown(name, REPORTS[name].answers) == []


def test_every_recipe_that_compares_entries_is_asked() -> None:
    assert {*RECIPES.names()} - {*PLANS} == {"bring-back"}  # its repairs are compared with doing nothing


def test_the_pages_list_the_questions_and_what_does_not_pass() -> None:
    listed = (DOCUMENTS / "evidence" / "checklist.md").read_text(encoding="utf-8")
    assert [row for row in checklist.exceptions() if row not in listed] == []
    explained = (DOCUMENTS / "how-to" / "read-a-report.md").read_text(encoding="utf-8")
    assert [question for question in QUESTIONS if question not in explained] == []
    known = {*REPORTS, *PLANS}
    assert [name for name in KNOWN if name not in known] == []


def test_a_recipe_with_two_changes_at_once_does_not_pass() -> None:
    """The LoRA is isolated, and the reference is trained in full: in the second recipe each has its control."""
    entries = {"lora": {"strategy": "isolated", "method": "lora"}, "full": {"strategy": "sequential", "method": "full"}}
    found = {answer.question: answer.holds for answer in plan_answers(planned(entries))}
    assert (found[CONTROL], found[ONE_THING]) == (True, False)
    entries["lora"]["against"] = "shared"
    entries["shared"] = {"strategy": "sequential", "method": "lora"}
    assert {answer.question: answer.holds for answer in plan_answers(planned(entries))}[ONE_THING] is True


def test_undecided_is_a_share_of_what_was_tested() -> None:
    counts = {"undecided": 3, "higher": 1, "no interval": 5}
    assert checklist.share_undecided(counts) == "3 of 4 undecided (75 %); 1 higher"
    assert checklist.share_undecided({"not measured": 2}) == "0 of 0 undecided; none decided"


def test_the_program_answers_for_a_file(tmp_path: Path) -> None:
    """Two seeds are too few for a paired test: that fails, and is no known exception."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(FINISHED["routing"]().as_json()), encoding="utf-8")
    app = typer.Typer(add_completion=False)
    app.command()(checklist.main)
    result = CliRunner().invoke(app, [str(path)])
    assert result.exit_code == 1
    assert [question for question in QUESTIONS if question not in result.stdout] == []
    assert "undecided" in result.stdout


def planned(entries: dict[str, dict[str, str]]) -> Document:
    """A recipe of three seeds with these entries, compared with the one that is called full."""
    return Document({"strategies": entries, "reference": "full", "seeds": [0, 1, 2]}, "made-up.yaml")
