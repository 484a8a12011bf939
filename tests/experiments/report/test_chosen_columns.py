"""Tables with the columns that a person names: in her order, on every medium that tables have."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from adapter_workbench.experiments.reporting.chosen_columns import with_columns
from adapter_workbench.experiments.reporting.csv_tables import csv_tables
from adapter_workbench.experiments.reporting.latex import latex
from adapter_workbench.experiments.reporting.presentation import Medium
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.workbench.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.studies.stream.results.report import Report


@pytest.fixture(scope="module")
def shown(report: Report) -> Presentation:
    return present(report)


def printed(presentation: Presentation) -> str:
    console = Console(width=200, file=io.StringIO())
    show(presentation, console)
    return console.file.getvalue()


def test_the_tables_that_have_a_column_keep_it_behind_their_first(shown: Presentation) -> None:
    chosen = with_columns(shown, ["forgetting", "average_accuracy"])
    heads = {table.name: [column.head for column in table.columns] for table in chosen.tables}
    assert heads == {
        "strategies": ["strategy", "forgetting", "average accuracy"],
        "differences": ["strategy", "forgetting", "average accuracy"],
        "pairs": ["first", "forgetting", "average accuracy"],
    }
    whole = {table.name: table for table in shown.tables}["strategies"]
    positions = [[column.head for column in whole.columns].index(head) for head in heads["strategies"]]
    assert chosen.tables[0].rows == [[row[position] for position in positions] for row in whole.rows]


def test_a_column_for_which_a_terminal_has_no_room_is_shown_where_it_is_named(shown: Presentation) -> None:
    assert "trainable parameters" not in printed(shown)
    text = printed(with_columns(shown, ["trainable-parameters"]))
    assert "trainable parameters" in text
    assert "22.7 M" in text
    assert shown.verdict.split(":")[0] in " ".join(text.split()), "the verdict stays"
    assert "Score of each task" not in text


def test_exports_have_the_same_columns(shown: Presentation) -> None:
    chosen = with_columns(shown, ["Average Accuracy, over examples"])
    tables = csv_tables(chosen)
    assert [*tables] == ["differences.csv", "pairs.csv"]
    head, *_ = tables["differences.csv"].decode().splitlines()
    assert head.startswith('strategy,"average accuracy, over examples"')
    assert latex(chosen).count(r"\begin{tabular}{lr}") == 2


def test_a_task_is_a_column_of_the_matrices(shown: Presentation, report: Report) -> None:
    chosen = with_columns(shown, ["bbc-news"])
    assert [table.name for table in chosen.tables] == [f"matrix-{strategy.label}" for strategy in report.strategies]
    assert f"Accuracy matrix of {report.strategies[0].label}" in printed(chosen)
    assert all(table.shown(Medium.TERMINAL).columns[1].head == "bbc-news" for table in chosen.tables)


def test_a_name_of_a_terminal_s_head_is_taken_too(shown: Presentation) -> None:
    assert with_columns(shown, ["forgot"]).tables[0].columns[1].head == "forgetting"


def test_a_wrong_name_is_told_with_those_that_there_are(shown: Presentation) -> None:
    with pytest.raises(UnknownNameError, match="column called 'forgeting'") as caught:
        with_columns(shown, ["average-accuracy", "forgeting"])
    assert "Did you mean forgetting" in str(caught.value.hint)
    assert caught.value.exit_code == 2
    for names, message in (([], "no column is named"), (["strategy"], "which every table keeps: strategy")):
        with pytest.raises(InputError, match=message):
            with_columns(shown, names)
    with pytest.raises(UnknownNameError):
        with_columns(shown, ["–"])
