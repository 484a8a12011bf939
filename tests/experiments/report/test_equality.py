"""An advantage that an opponent lacks is found by comparing settings."""

from __future__ import annotations

from adapter_workbench.experiments.reporting.equality import Inequality, inequalities, not_equal
from adapter_workbench.experiments.reporting.presentation import Paragraph, Table

EQUAL = {"head": "fitted", "epochs": 20, "learning rates tried": 5}


def test_equals_have_no_inequality() -> None:
    assert not inequalities({"fresh lora": EQUAL, "warm-start": {**EQUAL}}, "fresh lora")


def test_an_advantage_is_found_with_who_has_it() -> None:
    entries = {
        "fresh lora": {**EQUAL, "head": "random"},
        "warm-start": EQUAL,
        "mix": EQUAL,
        "third": {**EQUAL, "epochs": 6},
    }
    assert inequalities(entries, "fresh lora") == (
        Inequality("head", "fresh lora", "random", (("fitted", ("warm-start", "mix", "third")),)),
        Inequality("epochs", "fresh lora", 20, ((6, ("third",)),)),
    )


def test_what_has_no_meaning_for_one_is_no_inequality() -> None:
    entries = {"fresh lora": EQUAL, "frozen features": {"head": "fitted", "epochs": None}}
    assert not inequalities(entries, "fresh lora")


def test_where_the_reference_has_no_value_the_first_one_that_has_it_stands_for_it() -> None:
    entries = {"frozen": {"epochs": None}, "a": {"epochs": 3}, "b": {"epochs": 4}}
    assert inequalities(entries, "frozen") == (Inequality("epochs", "frozen", 3, ((4, ("b",)),)),)


def test_the_table_names_a_few_and_counts_the_others() -> None:
    entries = {"reference": {"epochs": 3}, **{f"entry-{number}": {"epochs": 9} for number in range(10)}}
    table = not_equal(inequalities(entries, "reference"), "reference", {})
    assert isinstance(table, Table)
    (row,) = table.rows
    assert [cell.text for cell in row[:3]] == ["epochs", "3", "9"]
    assert row[3].text == "entry-0, entry-1, entry-2, entry-3, entry-4 and 5 more"
    assert inequalities(entries, "reference")[0].as_json()["others"][0]["who"] == list(entries)[1:]


def test_each_is_compared_with_its_own_control() -> None:
    """`warm` is not equal to the reference, and equal to its control; `picked` is not equal to its control alone."""
    entries = {"fresh": EQUAL, "control": {**EQUAL, "epochs": 6}, "warm": {**EQUAL, "epochs": 6}, "picked": EQUAL}
    controls = {"control": "fresh", "warm": "control", "picked": "control"}
    unequal = inequalities(entries, "fresh", controls)
    assert unequal == (
        Inequality("epochs", "fresh", 20, ((6, ("control",)),)),
        Inequality("epochs", "control", 6, ((20, ("picked",)),)),
    )
    assert unequal[1].as_json() == {
        "what": "epochs",
        "against": "control",
        "reference": 6,
        "others": [{"value": 20, "who": ["picked"]}],
    }
    table = not_equal(unequal, "fresh", controls)
    assert isinstance(table, Table)
    assert [column.head for column in table.columns] == ["what", "against", "its value", "others", "who"]
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["epochs", "fresh", "20", "6", "control"],
        ["epochs", "control", "6", "20", "picked"],
    ]


def test_without_an_inequality_a_line_says_so() -> None:
    paragraph = not_equal((), "reference", {})
    assert isinstance(paragraph, Paragraph)
    assert paragraph.text.startswith("What was not equal: nothing")
