"""An entry is compared with the one that its recipe names, and the family is what the recipe asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from adapter_workbench.experiments.engine.recipes import RECIPES
from adapter_workbench.experiments.reporting.files import figures
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies import present as shown
from adapter_workbench.experiments.studies import study_for
from adapter_workbench.experiments.studies.compositions import summary as compositions
from adapter_workbench.experiments.studies.compositions.entry import Entry
from adapter_workbench.experiments.studies.compositions.resolved import recorded_entry
from adapter_workbench.experiments.studies.methods import report as methods
from adapter_workbench.experiments.studies.methods.report import recommend
from adapter_workbench.experiments.studies.routing import report as routing
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.errors import SettingsError
from adapter_workbench.workbench.measures.statistics import holm
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.settings.base import read
from tests.experiments.report.finished import FINISHED, Results
from tests.messages import naming

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report


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


@pytest.mark.parametrize("study", ["methods", "routing", "compositions"])
def test_every_study_compares_an_entry_with_what_it_names(study: str) -> None:
    """The last of three entries is compared with the second; its difference is that of the two from the first."""
    plain, named = finished(study), finished(study, against="second")
    before, after = compared(plain), compared(named)
    reference, second, third = (entry.label for entry in named.record.entries[:3])
    assert [before[label]["against"] for label in (reference, second, third)] == [None, reference, reference]
    assert [after[label]["against"] for label in (reference, second, third)] == [None, reference, second]
    values = {label: before[label]["difference"]["values"] for label in (second, third)}
    gaps = [mine - theirs for mine, theirs in zip(values[third], values[second], strict=True)]
    assert after[third]["difference"]["values"] == pytest.approx(gaps)
    tests = {
        tuple(np.round(row["difference"]["values"], 9)): row["difference"] for row in after.values() if row["against"]
    }
    chances, adjusted = ([test[p] for test in tests.values()] for p in ("p", "p_holm"))
    assert adjusted == pytest.approx(holm(chances))


@pytest.mark.parametrize("study", ["methods", "routing", "compositions"])
def test_the_table_of_every_study_says_against_whom(study: str) -> None:
    report = finished(study, against="second")
    reference, second, third = (entry.label for entry in report.record.entries[:3])
    table = next(table for table in shown(report).tables if any(column.head == "against" for column in table.columns))
    column = [column.head for column in table.columns].index("against")
    whom = {row[0].text: row[column].text for row in table.rows}
    assert [whom[label] for label in (reference, second, third)] == ["", reference, second]
    assert "what each is compared with" in table.note


@pytest.mark.parametrize("study", ["methods", "routing", "compositions"])
def test_what_was_not_equal_is_that_of_the_two_that_are_compared(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    report = finished(study, against="second")
    reference, second, third = (entry.label for entry in report.record.entries[:3])
    epochs = {reference: {"epochs": 1}, second: {"epochs": 2}, third: {"epochs": 2}}
    monkeypatch.setattr(type(report), "circumstances", epochs)
    expected = {"what": "epochs", "against": reference, "reference": 1, "others": [{"value": 2, "who": [second]}]}
    assert report.as_json()["not_equal"] == [expected], "the third is like its control"
    table = next(table for table in shown(report).tables if table.name == "not-equal")
    assert [[cell.text for cell in row] for row in table.rows] == [["epochs", reference, "1", "2", second]]


def test_what_was_not_equal_in_a_stream_is_that_of_the_two_that_are_compared(controlled: Report) -> None:
    unequal = {(row["what"], row["against"]): row for row in controlled.as_json()["not_equal"]}
    assert unequal["models that answer", "replay"] == {
        "what": "models that answer",
        "against": "replay",
        "reference": 1,
        "others": [{"value": len(controlled.record.tasks), "who": ["isolated"]}],
    }
    assert "isolated" not in str([row for (_, against), row in unequal.items() if against != "replay"])


def test_a_record_without_against_has_the_identity_that_it_had() -> None:
    plain, named = (finished("methods", against=against).record for against in ("", "second"))
    assert all("against" not in entry for entry in plain.about()["entrants"])
    assert ["against" in entry for entry in named.about()["entrants"]] == [False, False, True]


def test_what_is_compared_with_another_method_is_not_recommended() -> None:
    report = finished("methods", against="second")
    assert report.recommendation.label != report.record.entries[2].label
    rows = [row for row in report.rows if row.label != "small"]
    assert "no method is compared with full" in recommend(rows, "full").sentence


def test_another_head_is_compared_with_the_control_under_that_head() -> None:
    """What nothing trains has one head, so that both are compared with it."""
    lora = METHODS.get("lora").settings()
    own = [
        Entry("warm", "composition", "lora", "warm-start", against="fresh lora"),
        Entry("warm-too", "composition", "lora", "warm-start", against="average, lora"),
    ]
    entries = [
        Entry("fresh lora", "fresh", "lora", "lora", lora),
        Entry("average, lora", "average", "lora", "average"),
        *own,
    ]
    trained = [again for entry in entries for again in entry.under(["fitted", "random"])]
    labels = [entry.label for entry in trained]
    recorded = {entry.label: recorded_entry(entry, labels).against for entry in trained}
    assert recorded["warm"] == "fresh lora"
    assert recorded["warm, random head"] == "fresh lora, random head"
    assert recorded["warm-too, random head"] == "average, lora"


def finished(study: str, against: str = "") -> Any:
    """The made-up experiment of a study with three entries, the last compared with the second if that is asked for."""
    record = FINISHED[study]().record
    if study == "methods":
        third = replace(record.entries[1], label="third")
        cells = [replace(cell, label="third", score=cell.score - 0.03 - 0.01 * cell.seed) for cell in record.cells]
        more = [cell for cell, own in zip(cells, record.cells, strict=True) if own.label == "small"]
        record = replace(record, entries=(*record.entries, third), cells=(*record.cells, *more))
    entries = [*record.entries]
    if against:
        entries[2] = replace(entries[2], against=entries[1].label)
    record = replace(record, entries=tuple(entries))
    if study == "compositions":
        return compositions.summarise(record, Results())  # type: ignore[arg-type]
    return {"methods": methods, "routing": routing}[study].summarise(record, Path)  # type: ignore[attr-defined]


def compared(report: Any) -> dict[str, dict[str, Any]]:
    """Return by label what the document says of the comparison of each entry."""
    document = report.as_json()
    if "contestants" in document:
        rows = document["contestants"].items()
        return {
            label: {"against": row["against"], "difference": row["standings"]["all"]["gain"]} for label, row in rows
        }
    return document.get("methods") or document["contenders"]


@pytest.mark.parametrize(
    ("recipe", "label", "against", "message"),
    [
        ("quickstart", "strategies.lora-isolated", "nobody", "'against' names no entry of 'strategies': 'nobody'"),
        ("quickstart", "strategies.lora-isolated", "lora-isolated", "cannot be compared with itself"),
        ("quickstart", "strategies.full-sequential", "lora-isolated", "is the reference, and compared with nothing"),
        ("compare-methods", "methods.lora", "nobody", "'against' names no entry of 'methods': 'nobody'"),
        ("compare-methods", "methods.full", "lora", "is the reference, and compared with nothing"),
        ("routing", "routers.arrow", "nobody", "'against' names no entry of 'routers' or 'joint': 'nobody'"),
        ("routing", "joint.joint-lora", "arrow", "is the reference, and compared with nothing"),
        ("fuse-new-task", "compositions.mix", "nobody", "'against' names no composition, and nothing beside them"),
        ("fuse-new-task", "compositions.mix", "mix", "cannot be compared with itself"),
    ],
)
def test_what_cannot_be_compared_is_one_message(
    recipe: str, label: str, against: str, message: str, bert: Path
) -> None:
    document = read(RECIPES.path(recipe)).set([f"{label}.against={against}", f"backbone={bert}"])
    with pytest.raises(SettingsError, match=naming(message)):
        study_for(document.data).plan(document)
