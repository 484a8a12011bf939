"""What docs/serving.md says of many adapters over time: bottlenecks, first answers, and an hour of load."""

from __future__ import annotations

from collections.abc import Iterator

from measured import read, require, row

STATED = ["the confidence by less than 1e-5"]
BOTTLENECKS = {
    "backbone": "none: a head on the bare backbone",
    "one": "one",
    "uniform-20": "20, all equally likely",
    "zipf-20": "20, by Zipf",
    "uniform-128": "128, all equally likely",
    "zipf-128": "128, by Zipf",
}


def bottlenecks() -> Iterator[str]:
    """Yield the table of what a Pfeiffer adapter costs, and what is said of opening many."""
    load = read("pfeiffer-tax")["load"]
    for name, called in BOTTLENECKS.items():
        figures = load[name]
        require(set(figures["codes"]) == {"200"}, "no request was lost or refused")
        cost = [f"{figures[part]:.2f}" for part in ("cpu_ms_per_text", "cpu_by_backbone", "cpu_by_one")]
        yield row(called, str(figures["requests"]), *cost)
    shares = [load[name]["cpu_by_one"] for name in BOTTLENECKS if name[-1].isdigit()]
    yield f"{min(shares):.2f} to {max(shares):.2f} of the throughput of one of them"
    yield f"A reload that replaced one among 128 took {load['reload']['reload_s'][0]:.0f} seconds"
    opening = read("opening-adapters")["opening_cpu_s"]
    for method, called in (("lora", "LoRA"), ("pfeiffer", "Pfeiffer")):
        yield row(called, *(f"{opening[method][count]:.1f}" for count in ("8", "32", "128")))


def first_answers() -> Iterator[str]:
    """Yield the table of answers of LoRAs that are in memory, and that are not."""
    answers = read("cold-adapters")["first_answers"]
    for name, called in (("cold", "read from its file"), ("warm", "in memory")):
        figures = answers[name]
        numbers = (f"{figures[part]:.0f}" for part in ("median_ms", "p95_ms", "median_cpu_ms", "p95_cpu_ms"))
        yield row(called, str(figures["answers"]), *numbers)


def hour() -> Iterator[str]:
    """Yield what came of a thousand adapters under load."""
    results = read("served-soak")
    counts, memory, waits = results["counts"], results["memory"], results["milliseconds"]
    require(not counts["wrong"] and not counts["lost"] and not counts["refused"], "none wrong, lost or refused")
    yield f"{counts['answers']:,} answers"
