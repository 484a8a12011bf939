"""The numbers of docs/evidence/learning-rates.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import decimals, mean_validation, number, read, require, row

STATED = [
    "the standard error is up to 8 points",
    "by up to 0.008 in bf16 and by up to 0.000001 in fp32",  # asked once, kept in no file
]
PRECISIONS = ("precision", "precision-amd", "precision-without-amx", "precision-smollm2")
ORDER = ("full", "lora", "pfeiffer", "houlsby", "head")
MOST = 5  # rates tried for a method


def pieces() -> Iterator[str]:
    """Yield the table of rates, and what the precision changes."""
    rates = read("learning-rates")
    for method in ORDER:
        means = mean_validation(fit for fit in rates["scores"] if fit["method"] == method)
        yield rates_row(method, means, rates["chosen"][method])
    for name in PRECISIONS:
        yield in_both(read(name))
        minilm = "smollm2" not in name
        require(not minilm or abs(read(name)["difference"]["mean"]) < 0.001, "stays within tenths of a point")


def in_both(document: dict[str, Any]) -> str:
    """Return the end of a row: what bf16 changes, how many pairs it leaves as they are, and what both take."""
    difference, seconds = document["difference"], durations(document)
    mean, low, high = (decimals(100 * difference[bound], 2) for bound in ("mean", "low", "high"))
    signed = f"+{mean}" if difference["mean"] > 0 else mean
    pairs = difference["values"]
    return (
        f"| {signed} [{low}, {high}] | {pairs.count(0.0)} of {len(pairs)} | {seconds['bf16']} s | {seconds['fp32']} s |"
    )


def rates_row(method: str, means: dict[float, float], chosen: float) -> str:
    """Return the scores at the rates of one method, the chosen one in bold."""
    cells = []
    for rate, mean in means.items():
        cell = f"{short(rate)}: {number(mean)}"
        cells.append(f"**{cell}**" if rate == chosen else cell)
    return row(method, *cells, *[""] * (MOST - len(cells)), short(chosen))


def short(rate: float) -> str:
    """Return ``5e-3``."""
    return f"{rate:.0e}".replace("e-0", "e-")


def durations(document: dict[str, Any]) -> dict[str, str]:
    """Return precision → seconds of all fits."""
    return {
        precision: f"{sum(fit['seconds'] for fit in document['scores'] if fit['precision'] == precision):.0f}"
        for precision in ("bf16", "fp32")
    }
