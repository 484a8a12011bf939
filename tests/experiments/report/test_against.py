"""An entry is compared with the one that its recipe names, and the family is what the recipe asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.engine.recipes import RECIPES
from experiments.reporting.files import figures
from experiments.reporting.page import page as drawn_page
from experiments.studies.stream.page.present import present
from experiments.studies.stream.plan.plan import make_plan
from experiments.studies.stream.results.summary import summarise
from tests.messages import naming
from workbench.errors import SettingsError
from workbench.measures.statistics import holm
from workbench.settings.base import read

if TYPE_CHECKING:
    from experiments.studies.stream.results.record import Record
    from experiments.studies.stream.results.report import Report


@pytest.fixture(scope="module")
def controlled(replicated: Record) -> Report:
    """The reference is sequential; isolated is compared with replay."""
    entries = tuple(
        replace(entry, against="replay") if entry.label == "isolated" else entry for entry in replicated.entries
    )
    return summarise(replace(replicated, entries=entries))


def test_each_is_compared_with_what_its_entry_names(controlled: Report) -> None:
    document = controlled.as_json()
    compared = {label: strategy["comparison"] for label, strategy in document["strategies"].items()}
    assert compared["isolated"]["against"] == "replay"
    assert compared["replay"]["against"] == "sequential"
    assert compared["sequential"] is None
    assert compared["isolated"]["forgetting"]["values"] == pytest.approx([-0.03, -0.03, -0.06, -0.06])
    chances = [compared[label]["forgetting"]["p"] for label in ("isolated", "replay")]
    assert [compared[label]["forgetting"]["p_holm"] for label in ("isolated", "replay")] == holm(chances)
    assert [(pair["first"], pair["second"]) for pair in document["pairs"]] == [("isolated", "sequential")]


def test_the_page_says_against_whom(controlled: Report) -> None:
    presentation = present(controlled)
    page = drawn_page(presentation, figures(presentation)).replace("\u00a0", " ")
    assert "As the recipe compares them" in page
    (table,) = (table for table in presentation.tables if table.name == "differences")
    assert [[row[0].text, row[1].text] for row in table.rows] == [["isolated", "replay"], ["replay", "sequential"]]
    assert controlled.evidence[0].startswith("Forgotten: replay 4.5 points, isolated 0.0 points")


@pytest.mark.parametrize(
    ("label", "against", "message"),
    [
        ("lora-isolated", "nobody", "'against' names no entry of 'strategies': 'nobody'"),
        ("lora-isolated", "lora-isolated", "cannot be compared with itself"),
        ("full-sequential", "lora-isolated", "is the reference, and compared with nothing"),
    ],
)
def test_what_cannot_be_compared_is_one_message(label: str, against: str, message: str, bert: Path) -> None:
    document = read(RECIPES.path("quickstart")).set([f"strategies.{label}.against={against}", f"backbone={bert}"])
    with pytest.raises(SettingsError, match=naming(message)):
        make_plan(document)
