"""The table of neighbours is that of its results file."""

from __future__ import annotations

from tests.neighbours.compared import Compared
from tests.neighbours.table import PAGE, stored, table, with_table


def test_the_page_has_what_ran() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page, stored()) == page, "make neighbours writes it"


def test_a_row_says_what_was_compared_and_how_far_it_was_off() -> None:
    rows = [
        Compared("peft", "0.13.2", "reads", "logits", 24, 3.1e-8),
        Compared("axolotl", "", "writes", "answers of its folder", 6, None),
    ]
    assert table(rows).splitlines()[2:] == [
        "| peft | 0.13.2 | reads what is exported | logits | 24 | 3e-08 |",
        "| axolotl | its documented layout | writes what is imported | answers of its folder | 6 | equal |",
    ]
