"""Bounds as options, which `gate`, `add` and `adapters register` share, and their results as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN, AdapterBounds
from adapter_workbench.experiments.terminal.output import table
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.gate import Gate

MinScore = Annotated[
    float | None,
    typer.Option("--min-score", metavar="X", help="Adapter: the least validation score, in percent (an R² times 100)."),
]
MinMacroF1 = Annotated[
    float | None,
    typer.Option(
        "--min-macro-f1",
        metavar="X",
        help="Adapter: the least macro F1 on validation, in percent: the mean over labels.",
    ),
]
MinWorstLabel = Annotated[
    float | None,
    typer.Option(
        "--min-worst-label",
        metavar="X",
        help="Adapter: the least F1 on validation that any label may have, in percent.",
    ),
]
NotBelowChampion = Annotated[
    bool,
    typer.Option(
        "--not-below-champion",
        help="Adapter: it must be shown to lose less than the margin on validation rows whose label the champion knows "
        "too, and nothing of it may be lower on test rows. Without a champion the bound holds; if the two cannot be "
        "compared, it is broken.",
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        "--margin", metavar="X", help="With --not-below-champion: points that may be lost.", show_default=f"{MARGIN:g}"
    ),
]
AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss",
        help="Make it the champion although it loses against the one before; what it loses is written into its "
        "manifest.",
    ),
]
MaxLostOnOld = Annotated[
    float | None,
    typer.Option(
        "--max-lost-on-old",
        metavar="X",
        help="The most points of right answers that the candidate may lose on old validation rows.",
    ),
]
MaxFlips = Annotated[
    float | None,
    typer.Option(
        "--max-flips",
        metavar="X",
        help="The most percent of old validation rows that the champion has right and the candidate wrong.",
    ),
]
MinNewLabel = Annotated[
    float | None,
    typer.Option(
        "--min-new-label",
        metavar="X",
        help="The least recall on validation, in percent, of any label that the champion does not know.",
    ),
]


def below_champion(not_below: bool, margin: float | None) -> float | None:
    """Return how many points may be lost against the champion; None without this bound.

    Raises:
        InputError: a margin without the bound.
    """
    if margin is not None and not not_below:
        hint = "It says how many points may be lost against the champion."
        raise InputError("--margin needs --not-below-champion", hint=hint)
    if not not_below:
        return None
    return MARGIN if margin is None else margin


def adapter_bounds(
    min_score: float | None,
    below_champion: float | None,
    min_macro_f1: float | None,
    min_worst_label: float | None,
    accept_loss: bool = False,
) -> AdapterBounds:
    """Return the bounds of the options that `add`, `update` and `adapters register` share; raises InputError."""
    return AdapterBounds(
        min_score,
        below_champion,
        min_macro_f1=min_macro_f1,
        min_worst_label=min_worst_label,
        accept_loss=accept_loss,
    )


def print_gate(gate: Gate) -> None:
    """Print the bounds on stdout, and which of them hold."""
    table(["what", "bound", "found", "ok"], [check.cells for check in gate.checks], f"{gate.noun} {gate.name}")
