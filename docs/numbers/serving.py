"""The numbers of docs/serving.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, row

STATED = [
    "differ from those of `predict` by less than 1e-5",
    "`workbench serve --router mahalanobis --max-false-rejections 0.05`",
]
CALLED = {
    "alone": "`workbench serve`, one client alone, one text a request",
    "one": "`workbench serve`, all requests for one adapter",
    "mixed": "`workbench serve`, each request for one of 20 adapters, drawn",
    "replaced": "the same, while three adapters are replaced",
    "mlflow": "`mlflow models serve`, one adapter",
}


def pieces() -> Iterator[str]:
    """Yield the table of the load test, and what is said of it."""
    load = read("served-adapters")["load"]
    for name, called in CALLED.items():
        figures = load[name]
        require(set(figures["codes"]) == {"200"}, "no request was lost or refused")
        numbers = (f"{figures[part]:.0f}" for part in ("texts_per_second", "median_ms", "p95_ms", "p99_ms"))
        yield row(called, str(figures["requests"]), *numbers)
    replacements = load["replaced"]["replacements"]
    require(all(replacement["new"] for replacement in replacements), "each task got another adapter")
    require(len(replacements) == 3, "three adapters are replaced")
    yield f"Twenty adapters have {load['mixed_by_one']:.2f} of the throughput of one"
    yield f"and {load['mixed_by_mlflow']:.2f} of that of MLflow's server of one"
    reloads = [replacement["reload_s"] for replacement in replacements]
    yield f"A reload took {min(reloads)} to {max(reloads)} seconds"
