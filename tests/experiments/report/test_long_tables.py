"""Long tables of the page: their rows can be sorted and searched, in a frame that may run scripts and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import escape

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from adapter_workbench.experiments.reporting.cells import quantity, words
from adapter_workbench.experiments.reporting.page import MOST_ROWS, page
from adapter_workbench.experiments.reporting.presentation import Cell, Column, Presentation, Table
from adapter_workbench.experiments.reporting.wording import megabytes
from tests.chromium import CHROMIUM, opened

NASTY = '<script>alert("1")</script>'
COUNT = MOST_ROWS + 1
LOST = [0.0314, -0.02, None, 0.1, 0.0311, -0.3, 0.25, 0.04, 0.05, 0.06, None, 0.07, 0.08]
SIZES = [9.0, 0.05, 1500.0, 20.0, *map(float, range(30, 39))]  # MB: some read as kB, some as GB
COLUMNS = (Column("task"), Column("lost", "points"), Column("stored"), Column("interval"), Column("learned at"))


def row(index: int) -> list[Cell]:
    low = index - 6
    interval = f"[{low}.5, {low + 20}.0]".replace("-", "−") if index else "–"
    size = Cell(megabytes(SIZES[index]), SIZES[index])
    return [words(f"{20 + index}news-{index}"), quantity(LOST[index]), size, words(interval), words(COUNT - index)]


def shown(*tables: Table) -> Presentation:
    def unasked(*_: object) -> object:
        raise AssertionError("a page needs neither")

    return Presentation("made-up", "made-up", "report", (), (), "", "", True, lambda: tables, unasked, "", unasked)  # type: ignore[arg-type]


def long_table(rows: int = COUNT, title: str = "Every task") -> Table:
    return Table("by-task", title, COLUMNS, [row(index) for index in range(rows)], folded=True)


def test_only_a_long_table_has_a_script_and_what_it_needs() -> None:
    short = page(shown(long_table(MOST_ROWS)), {})
    assert not re.search(r"<script|data-value|aria-label|class=\"long", short)
    long = page(shown(long_table(MOST_ROWS), long_table(title='Every "task"')), {})
    assert long.count("<script>") == long.count("<table class=") == 1
    assert 'class="long" aria-label="Every &#34;task&#34;"' in long
    assert long.count("data-value=") == sum(value is not None for value in LOST) + len(SIZES)


def test_the_script_needs_nothing_else_and_names_stay_names() -> None:
    table = Table("odd", NASTY, [Column(NASTY)], [[words(NASTY)] for _ in range(COUNT)])
    drawn = page(shown(table), {})
    assert drawn.count("<script") == drawn.count("</script") == 1
    (script,) = re.findall(r"<script>(.*)</script>", drawn, re.DOTALL)
    assert not re.search(r"innerHTML|Storage|cookie|fetch|XMLHttp|import|https?:|eval|parent|window\.top", script)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened() as chromium:
        yield chromium


@pytest.fixture
def view(browser: Browser) -> Iterator[Page]:
    tab = browser.new_page(viewport={"width": 1000, "height": 900})
    yield tab
    tab.close()


@pytest.fixture
def framed(view: Page) -> FrameLocator:
    """The page as MLflow shows an artifact: in a frame of no origin that may run scripts."""
    document = escape(page(shown(long_table()), {}))
    view.set_content(f'<iframe sandbox="allow-scripts" width="980" height="880" srcdoc="{document}"></iframe>')
    frame = view.frame_locator("iframe")
    frame.locator("summary").click()
    return frame


def column(frame: FrameLocator, index: int) -> list[str]:
    cells = frame.locator(f"tbody tr:visible > :nth-child({index + 1})").all_inner_texts()
    return [cell.splitlines()[0] for cell in cells]


def head(frame: FrameLocator, name: str) -> Locator:
    return frame.get_by_role("columnheader", name=name)


in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on the PATH")


@pytest.mark.acceptance
@in_browser
def test_a_click_sorts_and_dashes_stay_last(framed: FrameLocator) -> None:
    rows, button = column(framed, 0), head(framed, "lost").get_by_role("button")
    measured = sorted(value for value in LOST if value is not None)
    rising = [quantity(value).text for value in measured]
    expect(head(framed, "lost")).to_have_attribute("aria-sort", "none")
    button.click()
    expect(head(framed, "lost")).to_have_attribute("aria-sort", "ascending")
    assert column(framed, 1) == [*rising, "–", "–"]
    assert column(framed, 0)[2:4] == ["24news-4", "20news-0"], "both read 3.1, and the numbers behind them differ"
    expect(framed.get_by_role("status")).to_have_text(f"{COUNT} rows, ascending by lost")
    button.click()
    assert column(framed, 1) == [*reversed(rising), "–", "–"]
    button.click()
    expect(head(framed, "lost")).to_have_attribute("aria-sort", "none")
    assert column(framed, 0) == rows


@pytest.mark.acceptance
@in_browser
@pytest.mark.parametrize(
    ("name", "index", "expected"),
    [
        ("stored", 2, ["50 kB", "9.0 MB", "20 MB", *(f"{size} MB" for size in range(30, 39)), "1.5 GB"]),
        ("interval", 3, [*(f"{low}.5".replace("-", "−") for low in (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6)), "–"]),
        ("learned at", 4, [str(number) for number in range(1, COUNT + 1)]),
        ("task", 0, [f"{20 + index}news-{index}" for index in range(COUNT)]),
    ],
)
def test_numbers_sort_as_numbers_and_names_as_names(
    framed: FrameLocator, view: Page, name: str, index: int, expected: list[str]
) -> None:
    head(framed, name).get_by_role("button").focus()
    view.keyboard.press("Enter")
    assert [text.strip("[").split(",")[0] for text in column(framed, index)] == expected


@pytest.mark.acceptance
@in_browser
def test_the_field_finds_rows_and_keeps_the_order(framed: FrameLocator, view: Page) -> None:
    field = framed.get_by_role("searchbox", name="Find rows: Every task")
    head(framed, "learned at").get_by_role("button").click()
    field.fill("NEWS-1")
    assert column(framed, 0) == ["32news-12", "31news-11", "30news-10", "21news-1"]
    expect(framed.get_by_role("status")).to_have_text(f"4 of {COUNT} rows, ascending by learned at")
    field.fill("-1 21news")
    assert column(framed, 0) == ["21news-1"], "each of the words, in any order"
    field.fill("news 9.0")
    assert column(framed, 0) == [], "numbers are sorted, and not searched: half of all rows have a 9 somewhere"
    field.fill("21news")
    view.emulate_media(media="print")
    assert len(column(framed, 0)) == COUNT, "paper has every row"
    expect(field).to_be_hidden()
    view.emulate_media(media="screen")
    field.fill("")
    assert len(column(framed, 0)) == COUNT


@pytest.mark.acceptance
@in_browser
def test_without_scripts_and_on_paper_the_table_is_as_it_was(browser: Browser) -> None:
    printed = []
    for scripts in (True, False):
        view = browser.new_page(java_script_enabled=scripts)
        view.set_content(page(shown(replace(long_table(), folded=False)), {}))
        assert view.locator("input").count() == scripts
        assert view.locator("thead button").count() == len(COLUMNS) * scripts
        assert view.locator("tbody tr").count() == COUNT
        view.emulate_media(media="print")
        printed.append(view.screenshot(full_page=True))
        view.close()
    assert printed[0] == printed[1]
