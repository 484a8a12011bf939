"""The numbers of docs/learning-rates.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import decimals, mean_validation, number, read, require, row

STATED = ["two cores at 2.3 GHz"]
ORDER = ("full", "lora", "pfeiffer", "houlsby", "head")
MOST = 5  # rates tried for a method


def pieces() -> Iterator[str]:
    """Yield the table of rates, and what the precision changes."""
    rates = read("learning-rates")
    for method in ORDER:
        means = mean_validation(fit for fit in rates["scores"] if fit["method"] == method)
        yield rates_row(method, means, rates["chosen"][method])
    with_amx, without_amx = read("precision"), read("precision-without-amx")
    difference, seconds = with_amx["difference"], durations(with_amx)
    require(
        len(difference["values"]) == 12 and difference["values"].count(0.0) == 10, "twelve pairs, ten of them equal"
    )
    mean, low, high = (decimals(100 * difference[bound], 2) for bound in ("mean", "low", "high"))
    yield (
        f"bf16 − fp32, is +{mean} points with a 95 % interval of [{low}, {high}] over the twelve pairs (ten of them "
        "are equal), "
        f"and bf16 takes {seconds['bf16']} s where fp32 takes {seconds['fp32']} s."
    )
    require(set(without_amx["difference"]["values"]) == {0.0}, "at the same scores")
    seconds = durations(without_amx)
    yield f"four of these fits take {seconds['bf16']} s in bf16 and {seconds['fp32']} s in fp32, at the same scores"


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
