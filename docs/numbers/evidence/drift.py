"""The numbers of docs/evidence/drift.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import read, require, row, whole

from adapter_workbench.experiments.answers.drift.bounds import LEVEL

STATED = [f"`--level {LEVEL}`"]
SIZES = ("50", "200", "800")
SIGNALS = ("answers", "confidence", "features", "elsewhere", "unknown")


def alarms(results: dict[str, Any]) -> Iterator[str]:
    """Yield how often rows of the task are called drifted."""
    draws, hits = 0, {"alarm": 0, "alarm_with_labels": 0}
    for task, figures in results.items():
        for size in SIZES:
            alike = figures["alike"][size]
            draws += alike["draws"]
            hits = {name: count + round(alike["draws"] * alike[name]) for name, count in hits.items()}
            yield row(task, size, *(percent(alike[name]) for name in hits))
    require(max(hits.values()) / draws <= LEVEL, "false alarms are not more frequent than the level")
    shares = [percent(count / draws) for count in hits.values()]
    yield (
        f"In {draws:,} draws, {draws // len(SIZES)} of each size, {hits['alarm']} samples were called drifted: "
        f"{shares[0]} %, and with labels {shares[1]} %."
    )


def found(results: dict[str, Any]) -> Iterator[str]:
    """Yield how often a change is found."""
    for task, figures in results.items():
        for share in ("0.05", "0.1", "0.2", "0.5"):
            cells = [whole(figures["foreign"][size][share]["alarm"]) for size in SIZES]
            yield row(task, f"{whole(float(share))} % are texts of {figures['other']}", *cells)
        for points in ("0.05", "0.1", "0.2"):
            cells = [whole(figures["rarer"][size][points]["alarm"]) for size in SIZES]
            yield row(task, f"the commonest label is {whole(float(points))} points rarer", *cells)


def by_signal(results: dict[str, Any]) -> Iterator[str]:
    """Yield which signals find a change in 200 rows."""
    for task, figures in results.items():
        for change, words in (("foreign", f"20 % of {figures['other']}"), ("rarer", "label 20 points rarer")):
            signals = figures[change]["200"]["0.2"]["signals"]
            yield row(task, words, *(whole(signals[name]) for name in SIGNALS))


def percent(share: float) -> str:
    """Return a share in percent, with one decimal, without the sign."""
    return f"{100 * share:.1f}"


def pieces() -> Iterator[str]:
    """Yield the tables, and what is said of them."""
    results = read("drift")["drift"]
    yield from alarms(results)
    yield from found(results)
    yield from by_signal(results)
    few = [figures["foreign"]["800"]["0.05"]["alarm"] for figures in results.values()]
    yield f"5 % of foreign texts are found in {whole(min(few))} to {whole(max(few))} % of files of 800 rows"
    many = [figures["foreign"]["200"]["0.2"]["alarm"] for figures in results.values()]
    require(min(many) == 1, "20 % of foreign texts are found in all files of 200 rows")
    yield "20 % of foreign texts in every file of 200"
