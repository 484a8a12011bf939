"""The numbers of docs/adapters-from-elsewhere.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, row

from adapter_workbench.experiments.answers.found_order import LEVEL, MOST_ROWS

LABELS, ROWS, RIGHT = (2, 3, 4, 8, 20), (36, 100, 400), 0.7
STATED = [
    f"at most {MOST_ROWS:,} validation rows",
    f"a p of {LEVEL} or more",
]


def pieces() -> Iterator[str]:
    """Yield how often an order of labels is decided, and how often a wrong one."""
    document = read("label-orders")
    settings = document["settings"]
    require(document["level"] == LEVEL, "the level that was simulated is that of the command")
    skilled = {
        (setting["labels"], setting["rows"]): setting["decided"] for setting in settings if setting["right"] == RIGHT
    }
    for labels in LABELS:
        yield row(str(labels), *(f"{100 * skilled[labels, rows]:.0f} %" for rows in ROWS))
    yield f"right in {100 * RIGHT:.0f} % of its answers"
    blind = [setting for setting in settings if abs(setting["right"] * setting["labels"] - 1) < 1e-9]
    two = max(setting["decided"] for setting in blind if setting["labels"] == 2)
    more = max(setting["decided"] for setting in blind if setting["labels"] > 2)
    at_most = f"at most {100 * two:.1f} % of cases if it had two labels, and in at most {100 * more:.1f} % if more"
    yield f"decided in {at_most}"
    wrong = [setting["wrong"] for setting in settings if setting not in blind]
    require(max(wrong) == 0, "no wrong order of a head with skill was decided")
    yield f"in none of {len(wrong) * document['draws']:,} cases"
