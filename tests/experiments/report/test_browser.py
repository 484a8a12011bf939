"""What a person sees of an experiment in the MLflow UI: a real browser, on `workbench ui` and on a real server.

Screenshots are kept in the folder that $WORKBENCH_SCREENSHOTS names, else in build/screenshots.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.workbench.mlflow.tracker import Tracker
from tests.chromium import CHROMIUM, opened
from tests.mlflow_server import Server
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from adapter_workbench.experiments.studies.stream.results.report import Report

SCREENSHOTS = Path(os.environ.get("WORKBENCH_SCREENSHOTS") or Path(__file__).parents[3] / "build" / "screenshots")
TITLE = "forgot 24.1 full-sequential · 0.0 lora-isolated · 15.9 lora-sequential · 6.2 full-replay"

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on the PATH to look at the UI with"),
]


@dataclass(frozen=True)
class Shown:
    """An experiment in a UI: what kind of place it is, and the addresses that `workbench ui` printed."""

    place: str
    experiments: str
    run: str
    report: str

    def tab(self, name: str) -> str:
        """Return the address of one of the run's tabs."""
        return self.run.replace("?", f"/{name}?")

    def runs(self, search: str) -> str:
        """Return the address of the experiment's runs that a search finds."""
        return f"{self.run.partition('/runs/')[0]}/runs?workflowType=machine_learning&searchFilter={quote(search)}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as chromium:
        yield chromium


@pytest.fixture(scope="module", params=["workspace", "server"])
def shown(request: pytest.FixtureRequest, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """The made-up experiment, logged and served, on SQLite in a workspace and on a server of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    server = Server(folder)
    if request.param == "server":
        server.start()
        environment["MLFLOW_TRACKING_URI"] = server.uri
    uri = environment.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder}/mlflow.db"
    presentation = present(report)
    Tracker(uri).sync("made-up", run_record(presentation, files(presentation)), presentation.about)
    command = [
        sys.executable,
        "-c",
        "from adapter_workbench.experiments.cli import main; main()",
        "ui",
        "--workspace",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment) as ui:
        assert ui.stdout is not None
        lines = [ui.stdout.readline() for _ in range(3)]
        addresses = [match[0] for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+/#\S+", line))]
        assert lines[1].startswith("made-up: ")
        if request.param == "workspace":
            Server.wait(addresses[0].partition("/#")[0])
        yield Shown(request.param, *addresses)
        ui.terminate()
    server.kill()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    tab = browser.new_page(viewport={"width": 1440, "height": 1000})
    tab.set_default_timeout(1000 * PATIENCE)
    yield tab
    tab.close()


@pytest.fixture(autouse=True)
def patient() -> None:
    expect.set_options(timeout=1000 * PATIENCE)


def keep(page: Page, shown: Shown, name: str) -> None:
    """Take a screenshot."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{shown.place}-{name}.png")


def close_assistant(page: Page) -> None:
    """Close the panel of MLflow's chat assistant, which takes a quarter of the screen."""
    panel = page.get_by_role("button", name="Close")
    if panel.is_visible():
        panel.click()


def test_the_experiment_says_what_it_is_and_its_runs_can_be_filtered(page: Page, shown: Shown) -> None:
    page.goto(shown.experiments)
    expect(page.get_by_role("link", name="made-up")).to_be_visible()
    expect(page.get_by_text("A stream of 4 tasks on minilm")).to_be_visible()
    page.goto(shown.runs("tags.strategy = 'replay'"))
    expect(
        page.get_by_text(re.compile(r"^4\s*matching runs$"))
    ).to_be_visible()  # a run for each seed, and their parent
    close_assistant(page)
    keep(page, shown, "experiment")


def test_plain_addresses_show_what_was_forgotten_without_a_click(page: Page, shown: Shown) -> None:
    plain = shown.run.partition("?")[0]
    runs = plain.rpartition("/")[0]
    for address in (runs.removesuffix("/runs"), runs):
        page.goto("about:blank")
        page.goto(address)
        expect(page.get_by_text(f"Newest run: {TITLE}").first).to_be_visible()
    expect(page.get_by_role("link", name=TITLE)).to_be_visible()
    close_assistant(page)
    keep(page, shown, "plain-runs")
    page.goto("about:blank")
    page.goto(f"{runs}?compareRunsMode=CHART")
    expect(page.get_by_text(re.compile("Forgetting ?\\(4\\)"))).to_be_visible()
    expect(page.get_by_text("No charts in this section").first).not_to_be_in_viewport()
    keep(page, shown, "plain-charts")
    page.goto("about:blank")
    page.goto(f"{plain}/artifacts")
    expect(page.get_by_text("report.html", exact=True)).to_be_visible()
    keep(page, shown, "plain-artifacts")


def test_the_run_shows_verdict_table_curves_heat_map_and_tags(page: Page, shown: Shown, report: Report) -> None:
    page.goto(shown.run)
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    close_assistant(page)
    verdict = report.verdict.partition(".")[0]
    note = page.get_by_test_id("note-view-outer-container").filter(has_text=verdict, visible=True).first
    note.scroll_into_view_if_needed()
    expect(note.get_by_text(verdict)).to_be_visible()
    if (more := page.get_by_text("Show more").first).is_visible():
        more.click()
    assert [row.partition("\t")[0] for row in note.get_by_role("row").all_inner_texts()] == [
        "strategy",
        *(strategy.label for strategy in report.strategies),
    ]
    for name in ("forgetting-curves.png", "accuracy-matrices.png"):
        picture = note.locator(f"img[src*='{name}']")  # MLflow takes the text alternative away
        picture.scroll_into_view_if_needed()
        page.wait_for_function("image => image.naturalWidth > 300", arg=picture.element_handle())
    assert shown.report.partition("?")[0].partition("#")[2] in str(
        note.get_by_role("link", name="The whole report").get_attribute("href")
    )
    for tag in ("recipe", "backbone", "scenario", "git"):
        expect(page.get_by_text(re.compile(f"^{tag}$")).first).to_be_visible()
    note.scroll_into_view_if_needed()
    keep(page, shown, "run")


def test_charts_have_the_stage_as_their_step(page: Page, shown: Shown) -> None:
    page.goto(shown.tab("model-metrics"))
    expect(page.get_by_text("full-joint", exact=True)).to_be_visible()  # a section for each strategy
    close_assistant(page)
    page.get_by_placeholder("Search metric charts").fill("full-sequential/forgetting")
    expect(page.locator(".scatterlayer")).to_have_count(3)  # the mean and its bounds
    expect(page.locator(".scatterlayer").first.locator(".point")).to_have_count(3)  # the first task has none to forget
    keep(page, shown, "run-metrics")


def test_a_strategys_run_has_a_curve_for_each_task(page: Page, shown: Shown) -> None:
    page.goto(shown.runs("tags.strategy = 'sequential'"))
    parent = page.locator(".ag-cell", has=page.get_by_role("link", name=TITLE))
    parent.get_by_role("button").click()  # unfolds the runs below it
    page.get_by_role("link", name="full-sequential, seed 1").click()
    page.get_by_role("tab", name="Model metrics").click()
    expect(page.get_by_text("accuracy", exact=True).first).to_be_visible()
    close_assistant(page)
    page.get_by_placeholder("Search metric charts").fill("accuracy/bbc-news")
    expect(page.locator(".scatterlayer .point")).to_have_count(4)
    page.get_by_placeholder("Search metric charts").fill("accuracy/")
    expect(page.locator(".scatterlayer")).to_have_count(4)
    keep(page, shown, "strategy-metrics")


def test_the_report_opens_among_the_artifacts(page: Page, shown: Shown, report: Report) -> None:
    page.goto(shown.report)
    document = page.frame_locator("iframe")
    expect(document.get_by_text("Verdict", exact=True)).to_be_visible()
    expect(document.get_by_text("Accuracy matrices").first).to_be_attached()
    close_assistant(page)
    keep(page, shown, "report")
