"""The numbers of docs/diagnostics.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import interval, limits, mean, read, require, row

STATED = [
    "the 2.5 % and the 97.5 % quantile",
    "of 15 pairs, expect almost one at p ≤ 5 %",
    "≤ 0.05 ‖Σⱼ ΔWⱼ‖_F",
    # of the run that made the file, which did not keep it; the next one has it as "drawn at random"
    "| a source drawn at random | 0 | 4.4 |",
    "even the interval of `logme`'s regret includes 4.4",
]
DRAWN = 0.044


def pieces() -> Iterator[str]:
    """Yield the table of rankings, and the sentences below it."""
    ranking = read("ranking")
    summary = ranking["summary"]
    for name, figures in summary.items():
        correlation, regret = figures["correlation"], figures["regret"]
        shown = [f"{correlation[bound]:.2f}".replace("-", "−") for bound in ("mean", "low", "high")]
        yield row(f"`{name}`", f"{shown[0]} [{shown[1]}, {shown[2]}]", f"{mean(regret)} {limits(regret)}")
    for figures in summary.values():
        require(interval(figures["correlation"]).holds_zero is True, "all intervals of the correlation include 0")
    require(
        summary["logme"]["regret"]["low"] < DRAWN < summary["logme"]["regret"]["high"],
        "even the interval of logme's regret includes that of a random choice",
    )
    regrets = {
        name: [
            figures["regret"]
            for figures in ranking["problems"]
            if (figures["ranking"], figures["shots"]) == (name, 256)
        ]
        for name in ("logme", "trial")
    }
    logme, trial = (f"{100 * sum(figures) / len(figures):.1f}" for figures in regrets.values())
    yield f"with K = 256 the first choice of `logme` costs {logme} points and that of `trial` {trial}"
