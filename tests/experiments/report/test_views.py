"""Figures, page, terminal and MLflow runs, all drawn from one report."""

from __future__ import annotations

import io
import json
import re
import struct
import warnings
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure as Drawing
from rich.console import Console

from adapter_workbench.experiments.reporting.figures import NO_WIDTH, marks
from adapter_workbench.experiments.reporting.files import figures, files
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies.core.data_sources import DataSource
from adapter_workbench.experiments.studies.stream.page.gallery import draw
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.mlflow.run_record import NOTE_TAG
from adapter_workbench.workbench.mlflow.tracker import Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report

NASTY = '<script>alert("1")</script> $x^{2 & _*|'


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    presentation = present(report)
    return drawn_page(presentation, figures(presentation))


@pytest.fixture(scope="module")
def nasty(record: Record) -> Report:
    """The record with a label and a task that try to get out of every format."""
    old, task = record.entries[0].label, record.tasks[0]
    return summarise(
        replace(
            record,
            identity=NASTY,
            tasks=(NASTY, *record.tasks[1:]),
            orders=((NASTY, *record.tasks[1:]),),
            entries=(replace(record.entries[0], label=NASTY), *record.entries[1:]),
            outcomes=tuple(
                replace(
                    outcome,
                    label=NASTY if outcome.label == old else outcome.label,
                    cells=tuple(
                        replace(cell, task=NASTY if cell.task == task else cell.task) for cell in outcome.cells
                    ),
                )
                for outcome in record.outcomes
            ),
            examples={},
        )
    )


def underscored(record: Record) -> Record:
    """Return the record with all labels behind an underscore."""
    entries = tuple(
        replace(entry, label=f"_{entry.label}", frontier=entry.frontier and f"_{entry.frontier}")
        for entry in record.entries
    )
    outcomes = tuple(replace(outcome, label=f"_{outcome.label}") for outcome in record.outcomes)
    return replace(record, entries=entries, outcomes=outcomes, reference=f"_{record.reference}", examples={})


def terminal(report: Report, width: int = 80, **settings: object) -> str:
    stream = io.StringIO()
    show(present(report), Console(file=stream, width=width, soft_wrap=True, highlight=False, **settings))  # type: ignore[arg-type]
    return stream.getvalue()


def test_a_terminal_and_the_page_say_what_columns_and_strategies_are(report: Report) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    show(present(report), console)
    screen = " ".join(console.export_text().split())
    page = unescape(drawn_page(present(report), {}))
    for text in (screen, page):
        for explained in (
            "intransigence: score of one model trained on all tasks",
            "lora-isolated: an adapter for each",
        ):
            assert text.count(explained) == 1, explained
    for riddle in ("intrans.", "after Holm", "type I error", "contestant"):
        assert riddle not in screen, riddle
    assert "adjusted for 4 comparisons (Holm)" in screen


def test_figures_are_pictures_that_name_no_program(report: Report) -> None:
    drawn = figures(present(report))
    assert [*drawn] == ["accuracy-matrices", "forgetting-curves", "learning-versus-forgetting", "accuracy-over-storage"]
    assert all(image.startswith(b"\x89PNG") and b"tEXt" not in image for image in drawn.values())


def test_figures_share_one_colour_scale_and_print_every_value(report: Report) -> None:
    figure = draw("accuracy-matrices", report)
    assert figure
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    measured = [
        value for strategy in report.strategies for row in strategy.matrix for value in row if value is not None
    ]
    assert [text for text in texts if re.fullmatch(r"\d+\.\d", text)] == [f"{100 * value:.1f}" for value in measured]
    assert texts.count("✓") == 3
    assert texts.count("→") == 3


def test_what_was_not_measured_before_training_takes_no_room(report: Report) -> None:
    figure = draw("forgetting-curves", report)
    assert figure
    assert all(axes.get_xlim()[0] > 0.5 for axes in figure.axes)


def test_markers_on_one_point_surround_each_other() -> None:
    axes = Drawing().subplots()
    marks(axes, [(0, "a", (0.0, 0.9)), (1, "b", (5.0, 0.5)), (2, "c", (0.0, 0.9)), (3, "d", (0.01, 0.9))])
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    sizes = [line.get_markersize() for line in drawn]
    assert sizes == [17, 7, 12, 7]
    assert [line.get_markerfacecolor() == "none" for line in drawn] == [True, False, True, False]
    assert [text.get_text() for text in axes.legend().get_texts()] == [*"abcd"]


@pytest.mark.parametrize(
    ("name", "made_up", "entries"),
    [
        ("forgetting-curves", "record", 5),
        ("learning-versus-forgetting", "record", 4),  # joint training has forgotten nothing
        ("accuracy-over-storage", "record", 5),
        ("frontier", "replicated", 2),
    ],
)
def test_labels_that_begin_with_an_underscore_have_entries(
    name: str, made_up: str, entries: int, request: pytest.FixtureRequest
) -> None:
    drawn = draw(name, summarise(underscored(request.getfixturevalue(made_up)), brief=True))
    assert drawn
    shown = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert sum(text.startswith(f"{NO_WIDTH}_") for text in shown) == entries


def test_a_description_is_no_wider_than_a_screen_and_stays_in_one_mode(report: Report) -> None:
    presentation = present(report)
    record = run_record(presentation, files(presentation))
    shown = {name: content for name, content in record.artifacts.items() if "previews" in name}
    assert {*shown} == {f"report/previews/{name}.png" for name in ("forgetting-curves", "accuracy-matrices")}
    widths = [struct.unpack(">I", content[16:20])[0] for content in shown.values()]
    assert max(widths) <= 700
    note = record.tags[NOTE_TAG]
    links = re.findall(r"\]\((#[^)]*)\)", note)
    assert len(links) == 3
    assert all("workflowType=machine_learning" in link for link in links)
    assert "as fractions" in note


def test_a_child_says_what_it_is_and_lasts_as_long_as_its_training(report: Report) -> None:
    run = run_record(present(report))
    child = next(child for child in run.children if child.name == "full-sequential, seed 1")
    assert child.tags[NOTE_TAG].startswith("full-sequential: sequential with full, seed 1")
    assert child.tags[NOTE_TAG].count("\n|") == 6, "head, line and four tasks"
    took = [
        outcome.cost.train_seconds
        for outcome in report.record.outcomes
        if (outcome.label, outcome.seed) == ("full-sequential", 1)
    ]
    assert child.seconds == pytest.approx(sum(took))
    assert run.seconds == pytest.approx(sum(child.seconds or 0 for child in run.children))


def test_figures_draw_names_as_they_are(nasty: Report) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(figures(present(nasty)).values())
    figure = draw("accuracy-matrices", nasty)
    assert figure
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "<script>alert(…> $x^{2 & _*|"


def test_nothing_measured_means_no_figures(record: Record) -> None:
    assert figures(present(summarise(replace(record, outcomes=())))) == {}


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.findall(r"<script|<link|@import|https?://|url\(", page)
    assert page.count('src="data:image/png;base64,') == page.count("<img") == 4
    assert 'name="viewport"' in page
    assert "workbench run made-up" in page


def test_the_page_is_well_formed_and_its_images_are_described(page: str) -> None:
    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []
            self.alts: list[str | None] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "img":
                self.alts.append(dict(attrs).get("alt"))
            if tag not in ("meta", "img", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag, self.getpos()

    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert all(alt and "lora-isolated" in alt for alt in reader.alts)


def test_the_page_says_what_the_report_says(report: Report, page: str) -> None:
    assert report.verdict.replace(" %", "\u00a0%") in page.replace("&#39;", "'")
    for text in ("bit-identical", "undecided", "mean over j<T".replace("<", "&lt;"), "22.7 M", "0123abc"):
        assert text in page, text
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower().replace("nano", "")


def test_names_from_users_are_escaped(nasty: Report) -> None:
    page = drawn_page(present(nasty), {})
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(nasty: Report) -> None:
    shown = nasty._repr_html_()
    (frame,) = re.findall(r"<[^>]*>", shown.removesuffix("</iframe>"))
    assert frame.startswith("<iframe sandbox "), "nothing of the page is outside, and nothing in it runs"
    assert unescape(shown).count(drawn_page(present(nasty), {})) == 1


def test_an_unfinished_run_and_one_seed_have_a_page_too(half_way: Record, one_seed: Record) -> None:
    assert "has not finished" in drawn_page(present(summarise(half_way)), {})
    assert "there is one seed" in drawn_page(present(summarise(one_seed)), {})


def test_the_terminal_fits_80_columns_and_needs_no_colour(report: Report) -> None:
    text = terminal(report)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert "lora-isolated    90.3 ±0.3" in text
    assert "−1.1 ±1.6 ?" in text
    assert re.search(r" 4 +93\.9 +89\.8 +89\.4 +88\.0", text)


def test_the_terminal_shows_heat_where_it_can(report: Report) -> None:
    text = terminal(report, force_terminal=True, color_system="truecolor")
    assert "48;2;254;232;56" in text  # the lightest colour of cividis


def test_the_terminal_prints_brackets_and_progress(nasty: Report, half_way: Record) -> None:
    bracket = replace(half_way.entries[0], label="[red]a[/]")
    odd = replace(half_way, entries=(bracket, *half_way.entries[1:]), outcomes=half_way.outcomes[4:])
    assert "[red]a[/]" in terminal(summarise(odd))
    assert "Not finished: lora-isolated 4/12, full-sequential 2/12" in terminal(summarise(half_way)).replace("\n", " ")
    assert terminal(nasty)


def test_runs_follow_the_layout(report: Report) -> None:
    presentation = present(report)
    record = run_record(presentation, files(presentation))
    assert record.name == "made-up"
    assert len(record.children) == 15
    parent = {name: (value, step) for name, value, step in record.metrics}
    assert parent["lora-isolated/forgetting"] == (0.0, 4)
    assert {"full-replay/forgetting_low", "full-replay/forgetting_high"} <= set(parent)
    child = next(child for child in record.children if child.name == "full-sequential, seed 1")
    points = {(name, step): value for name, value, step in child.metrics}
    assert points["accuracy/bbc-news", 3] == report.strategies[1].replications[1].matrix[3][0]
    assert points["forgetting", 4] == report.strategies[1].replications[1].metrics["forgetting"]
    matrix = report.strategies[1].replications[1].matrix
    assert points["forgetting", 2] == pytest.approx(matrix[1][0] - matrix[2][0]), "had the stream ended there"
    assert ("probe/cka/drift", 2) in points
    assert child.tags["strategy"] == "sequential"
    assert {"recipe", "method", "backbone", "reference", "seed", "scenario", "git"} <= set(child.tags)
    assert set(record.artifacts) >= {"report/report.html", "report/report.json", "report/accuracy-matrices.png"}
    assert json.loads(record.artifacts["report/report.json"])["experiment"] == "made-up"
    assert report.verdict.replace("[", "\\[") in record.tags["mlflow.note.content"]


def test_a_run_is_logged_while_it_grows_and_never_twice(
    half_way: Record, report: Report, nasty: Report, tmp_path: Path
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db")
    run = tracker.sync("made-up", run_record(present(summarise(half_way))))
    for _ in range(2):
        assert tracker.sync("made-up", run_record(present(report))) == run
    client = tracker._client
    experiment = client.get_experiment_by_name("made-up").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run}'")
    assert len(children) == 15
    for child in children:
        steps = [point.step for point in client.get_metric_history(child.info.run_id, "accuracy/bbc-news")]
        assert steps == ([4] if child.data.tags["strategy"] == "joint" else [1, 2, 3, 4])
    history = client.get_metric_history(run, "lora-isolated/average_accuracy")
    assert [point.step for point in history] == [1, 2, 3, 4], "once, when all seeds were there"
    tracker.sync("made-up", run_record(present(nasty)))
    assert len(client.search_runs([experiment])) == 32


def test_the_page_and_the_document_begin_with_what_the_recipe_says_of_itself(record: Record) -> None:
    report = summarise(replace(record, description="Does replay help here?", examples={}))
    assert "Does replay help here?" in drawn_page(present(report), {})
    assert report.as_json()["description"] == "Does replay help here?"


def test_the_page_names_data_with_licences_and_the_precision_that_was_used(record: Record) -> None:
    sources = {"bbc-news": DataSource("package a==1", "MIT", "http://a.example"), "subjectivity": DataSource("file b")}
    budget = {**record.budget, "precision": "auto"}
    report = summarise(replace(record, budget=budget, precision="bf16", data_sources=sources, examples={}))
    words = re.sub(r"<[^>]*>", " ", drawn_page(present(report), {}))
    assert re.search(r"precision\s+bf16", words)
    assert re.search(r"bbc-news\s+package a==1\s+MIT\s+http://a.example", words)
    assert re.search(r"subjectivity\s+file b\s+–\s+–", words)
    document = report.as_json()
    assert (document["precision"], document["budget"]["precision"]) == ("bf16", "auto")
    assert document["data_sources"]["subjectivity"] == {"origin": "file b", "license": None, "homepage": None}
    earlier = summarise(replace(record, examples={}))
    assert "Data and licences" not in drawn_page(present(earlier), {})
