"""Names that try to get out of Markdown, HTML and paths: in descriptions and pages of every kind they stay names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape as as_html
from pathlib import Path, PurePosixPath

import pytest
from markdown_it import MarkdownIt

from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.experiments.reporting.mlflow_run import exhibits, run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.presentation import Presentation
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.studies.compositions.record import Cell, EntryRecord, FusionRecord, Result
from adapter_workbench.experiments.studies.compositions.report import FusionReport, FusionRow, Tested
from adapter_workbench.experiments.studies.methods.record import ComparisonRecord, Entry
from adapter_workbench.experiments.studies.methods.report import ComparisonReport, Recommendation
from adapter_workbench.experiments.studies.repair.record import Entry as RepairEntry
from adapter_workbench.experiments.studies.repair.record import LearnedStream, Repaired, RepairRecord
from adapter_workbench.experiments.studies.repair.report import summarise as summarise_repairs
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.measures.markdown import code, escape
from adapter_workbench.workbench.mlflow.mlflow_names import metric_name, plain_name
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from adapter_workbench.workbench.training.measured_cost import MeasuredCost
from tests.experiments.made_up_methods import method_row

NASTY = (
    "| # <img src=x onerror=alert(1)> </script><b>*x*</b> `y` ~~z~~ [l](http://a.b) @you www.a.b :+1: &lt; \"' $x^{2"
)
BESIDE = (
    f"{NASTY}\n\n# heading\n- item \x1b[2J ../../../outside/"  # as no label of a file should be, but a manifest may
)
STARTS = ["# a", "- a", "+ a", "1. a", "1) a", "> a", "=====", "---", "    code", "\tcode", "~~~", "```", "* a", "***"]
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.mark.parametrize(
    "text", [NASTY, BESIDE, *STARTS, "0.5 is a number", "a: b @ 0.01", "[l]: http://x", "\\*a*", ""]
)
def test_escaped_text_is_shown_as_it_stands(text: str) -> None:
    shown = " ".join(text.replace("\x1b", "\\x1b").split("\n")).strip()
    assert MARKDOWN.render(escape(text)).strip() == (f"<p>{_quoted(shown)}</p>" if shown else "")
    table = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {escape(text)} | c |")
    assert re.findall(r"<td>(.*?)</td>", table, re.DOTALL) == [_quoted(shown), "c"]


@pytest.mark.parametrize("text", ["minilm", "a`b", "```", "`", NASTY, BESIDE])
def test_code_is_shown_as_it_stands(text: str) -> None:
    shown = as_html(" ".join(text.replace("\x1b", "\\x1b").split("\n")), quote=True).replace("&#x27;", "'")
    assert MARKDOWN.render(f"of {code(text)} here") == f"<p>of <code>{shown}</code> here</p>\n"
    assert code("minilm") == "`minilm`"


@pytest.mark.parametrize("text", [NASTY, BESIDE])
def test_nothing_is_left_that_github_makes_links_and_pictures_of(text: str) -> None:
    assert not re.search(r"https?://|www\.|(^|\s)@\w|(?<!\\):[\w+]+:|\n", escape(text))


def _quoted(text: str) -> str:
    return as_html(text, quote=False).replace('"', "&quot;")


def cost() -> MeasuredCost:
    return MeasuredCost("cpu", 5, 100, 0.0, 1.0, 1e-5, 1e-5, 0.1, 1.1, 1.0, None)


def stream(record: Record) -> Presentation:
    """Every name in a record of a stream is the hostile one, or begins with it."""
    labels = {entry.label: f"{NASTY} {index}" for index, entry in enumerate(record.entries)}
    tasks = {name: f"{NASTY} {index}" for index, name in enumerate(record.tasks)}
    outcomes = tuple(
        replace(
            outcome,
            label=labels[outcome.label],
            cells=tuple(replace(cell, task=tasks[cell.task]) for cell in outcome.cells),
        )
        for outcome in record.outcomes
    )
    named = replace(
        record,
        experiment=NASTY,
        backbone=NASTY,
        scenario=NASTY,
        reference=labels[record.reference],
        tasks=tuple(tasks.values()),
        orders=(tuple(tasks.values()),),
        entries=tuple(replace(entry, label=labels[entry.label]) for entry in record.entries),
        outcomes=outcomes,
        examples={},
        provenance=dict.fromkeys(record.provenance, NASTY),
    )
    return present(summarise(named))


def comparison() -> Presentation:
    rows = tuple(
        method_row(label, [0.5], tasks=[NASTY], entry=Entry(label, NASTY, {NASTY: NASTY}), measured=cost())
        for label in (NASTY, f"{NASTY} 2")
    )
    record = ComparisonRecord(
        experiment=NASTY, description=NASTY, backbone=NASTY, tasks=(NASTY,), seeds=(0, 1), reference=NASTY,
        budget={NASTY: NASTY}, tune=0, majority={NASTY: 0.1}, entries=(), provenance={"command": NASTY},
    )  # fmt: skip
    return present(ComparisonReport(record, rows, Recommendation(NASTY, f"{NASTY} is the best.")))


def compositions() -> Presentation:
    labels = (NASTY, f"{NASTY} 2", "../../../outside")
    result = Result(0.5, {NASTY: 0.5}, 8, FitRecord((), 0, 0.5, 0, 1.0, None, 8), NASTY)
    tested = [Tested(Cell(label, NASTY, 8, 0, NASTY), result) for label in labels]
    rows = tuple(
        FusionRow(
            of.cell.label,
            EntryRecord(of.cell.label, NASTY, NASTY, NASTY, {NASTY: NASTY}),
            ((0, 0),),
            (of.at.task,),
            {of.at: of},
        )
        for of in tested
    )
    record = FusionRecord(
        experiment=NASTY, description=NASTY, backbone=NASTY, reference=NASTY, targets=(NASTY,), shots=(8,), seeds=(0,),
        budgets={"8": {NASTY: NASTY}}, majority={NASTY: 0.1}, provenance={"command": NASTY},
        sources=({"adapter": NASTY, "task": NASTY, "method": NASTY, "seed": 0, "validation": 0.5},),
        entries=tuple(row.entry for row in rows),
    )  # fmt: skip
    weights: Mapping[str, Mapping[str, tuple[float, ...]]] = {label: {"weights": (1.0,)} for label in labels}
    return present(FusionReport(record, rows, (), (), weights, headline=(f"{NASTY} is the best.",)))


def repairs() -> Presentation:
    learned = LearnedStream(
        NASTY, NASTY, NASTY, 0, 0, (NASTY, f"{NASTY} 2"), {}, *[{NASTY: 0.5, f"{NASTY} 2": 0.5}] * 3
    )
    better = Repaired({NASTY: 0.5}, 1, 0.5, 0.6, {NASTY: 0.6, f"{NASTY} 2": 0.6}, 1.0)
    entries = [RepairEntry(f"{name} of {NASTY}", NASTY, name, NASTY, {NASTY: NASTY}) for name in (NASTY, f"{NASTY} 2")]
    entries[1] = replace(entries[1], refused=NASTY)
    record = RepairRecord(
        experiment=NASTY, description=NASTY, backbone=NASTY, seeds=(0,), reference=NASTY, stream=NASTY, scenario=NASTY,
        tasks=learned.tasks, kinds={}, budget={NASTY: NASTY}, majority=dict.fromkeys(learned.tasks, 0.1),
        test_sizes=dict.fromkeys(learned.tasks, 10), streams=(learned,), entries=tuple(entries),
        cells={(entries[0].label, 0, 0): better}, provenance={"command": NASTY},
    )  # fmt: skip
    return present(summarise_repairs(record))


@pytest.fixture(scope="module", params=["stream", "comparison", "compositions", "repairs"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Presentation:
    if request.param == "stream":
        from tests.experiments.report.conftest import invent

        return stream(invent(tmp_path_factory.mktemp("invented"), seeds=(0, 1)))
    return {"comparison": comparison, "compositions": compositions, "repairs": repairs}[request.param]()


def test_no_name_gets_out_of_a_description(shown: Presentation) -> None:
    note = run_record(shown).tags[NOTE_TAG]
    for text in (note, shown.about):
        html = MARKDOWN.render(text)
        assert _quoted(NASTY) in html
        assert set(re.findall(r"<(\w+)", html)) <= {"p", "table", "thead", "tbody", "tr", "th", "td", "a", "ul", "li"}
        links = re.findall(r'<a href="(.*?)"', html)
        assert all(link.startswith(("#/experiments/%7Bexperiment_id%7D/runs?", "#/experiments/{")) for link in links)
        assert len(links) == html.count("<a "), "MLflow's own pages, and nothing that a name makes"
    widths = {row.count("<td") for row in re.findall(r"<tr>.*?</tr>", MARKDOWN.render(note), re.DOTALL)} - {0}
    assert len(widths) == 1, "every row of the table has as many cells"


def test_no_name_gets_out_of_a_page(shown: Presentation) -> None:
    page = drawn_page(shown, {})
    assert as_html(NASTY).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page
    assert not re.search(r"<script|<img src=x|</script|<b>\*x\*", page)


def test_names_in_mlflow_are_made_of_what_it_allows(shown: Presentation) -> None:
    record = run_record(shown)
    names = [name for run in (record, *record.children) for name, _, _ in run.metrics]
    assert all(re.fullmatch(r"[\w. /-]+", name, re.ASCII) for name in names)
    assert all(".." not in PurePosixPath(name).parts for name in names)


def test_figures_are_files_of_their_own_folder(shown: Presentation) -> None:
    names = [*files(shown), *csv_tables(shown)]
    assert len(names) > 2
    assert all(re.fullmatch(r"[\w. -]+", name, re.ASCII) for name in names), "no folder, nor anything else"


def test_a_figure_with_blanks_in_its_name_is_shown() -> None:
    html = MARKDOWN.render("\n".join(exhibits(["weights-a b*c.png"])))
    assert html.count("<img") == 1
    assert "weights-a%20b%2Ac.png" in html


@pytest.mark.parametrize("name", [NASTY, BESIDE, "..", ".", "", "\udce4", "a/../../b"])
def test_a_plain_name_is_one_part_of_a_path(name: str) -> None:
    assert Path(plain_name(name)).name == plain_name(name) == metric_name(name)
