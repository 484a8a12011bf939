"""How often `adapters import --labels auto` decides on an order of labels, and how often on a wrong one, by simulation.

    python -m bench.label_orders --out label-orders.json

A head is right in a share of its answers under the true order, else it gives any other label; labels are equally
frequent. A share of 1 ÷ labels is a head without skill: for it, each order is a wrong one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import typer

from adapter_workbench.experiments.answers.found_order import LEVEL, Answers, best_orders
from bench import program

LABELS, ROWS, SHARES = (2, 3, 4, 8, 20), (36, 100, 400), (0.5, 0.7, 0.9)


def main(
    context: typer.Context,
    draws: int = typer.Option(300, min=1, help="Of rows, in each setting."),
    out: program.Out = Path("label-orders.json"),
) -> None:
    """Draw answers in each setting, and write shares of orders that were decided, and of wrong ones among all."""
    generator = np.random.default_rng(0)
    results = [
        setting(labels, rows, share, draws, generator)
        for labels in LABELS
        for rows in ROWS
        for share in (1 / labels, *(share for share in SHARES if share > 1 / labels))
    ]
    program.write(context, out, draws=draws, level=LEVEL, settings=results)


def setting(labels: int, rows: int, share: float, draws: int, generator: np.random.Generator) -> dict[str, Any]:
    """Return how often an order is decided, and a wrong one, for a head that is right in this share of its answers."""
    names = tuple(map(str, range(labels)))
    given = (answers(labels, rows, share, generator) for _ in range(draws))
    orders = [best_orders(drawn, names, "simulated") for drawn in given]
    decided = [order for order in orders if order.is_decided]
    return {
        "labels": labels,
        "rows": rows,
        "right": share,
        "decided": len(decided) / draws,
        "wrong": sum(order.order != names for order in decided) / draws,
    }


def answers(labels: int, rows: int, share: float, generator: np.random.Generator) -> Answers:
    """Return the answers of a head that is right in this share under the order 0, 1, …."""
    right = generator.integers(labels, size=rows)
    wrong = (right + generator.integers(1, labels, size=rows)) % labels
    output = np.where(generator.random(rows) < share, right, wrong)
    return Answers(output, np.eye(labels, dtype=bool)[right], np.arange(rows), rows)


if __name__ == "__main__":
    typer.run(main)
