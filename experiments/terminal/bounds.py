"""Bounds as options, which `gate`, `add` and `adapters register` share, and their results as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.experiments.gating.adapter_bounds import MARGIN, AdapterBounds
from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds
from adapter_workbench.experiments.requests.request import asked_fields
from adapter_workbench.experiments.terminal.asked import option
from adapter_workbench.experiments.terminal.output import table
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.gate import Gate

MINIMA: dict[str, Any] = {
    name: option(metavar="X") for name in ("min_score", "min_macro_f1", "min_worst_label")
}  # of an adapter
CANDIDATE: dict[str, Any] = {name: option(metavar="X") for name in asked_fields(CandidateBounds)}
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
AcceptLoss = Annotated[bool, typer.Option("--accept-loss", help=asked_fields(AdapterBounds)["accept_loss"].meaning)]
NEWLY_TRAINED: dict[str, Any] = {  # the bounds of `add` and `update`
    "only": [*MINIMA, "below_champion", "accept_loss"],
    **MINIMA,
    "below_champion": option(
        "--margin",
        called="margin",
        default=MARGIN,
        min=0,
        metavar="X",
        help="Points that may be lost against the champion, if there are validation rows enough to show that no more "
        "are; else none may.",
    ),
    "accept_loss": option("--accept-loss"),
}


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


def print_gate(gate: Gate) -> None:
    """Print the bounds on stdout, and which of them hold."""
    table(["what", "bound", "found", "ok"], [check.cells for check in gate.checks], f"{gate.noun} {gate.name}")
