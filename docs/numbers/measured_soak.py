"""What docs/evidence/serving.md says of many adapters over time: bottlenecks, first answers, and an hour of load."""

from __future__ import annotations

from collections.abc import Iterator

from measured import decimals, read, require, row

HELD = {"no answer was wrong", "no text was lost", "no text was refused", "each reload changed one adapter"}
STATED = [
    "the confidence may differ by less than 1e-5",
    # runs of earlier versions, whose files are in the history
    "Four earlier runs had 4.8 to 12.8 MB an hour",
]
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


def soak() -> Iterator[str]:
    """Yield what came of a thousand adapters under load."""
    results = read("served-soak")
    counts, memory, waits = results["counts"], results["memory"], results["milliseconds"]
    require({claim for claim, was_so in results["held"].items() if was_so} >= HELD, "all but the memory held")
    yield row("answers that were checked", f"{counts['answers']:,}")
    yield row("wrong", f"{counts['wrong']}")
    yield row("texts without a response", f"{counts['lost']}")
    yield row("texts refused", f"{sum(counts['refused'].values())}")
    yield row("answers with the same bits as alone", f"{counts['bit_equal']:,}")
    yield row("largest difference of a confidence", f"{counts['furthest_confidence']:.0e}")
    yield row("answers after the folder of the adapter had been removed", f"{counts['of_removed']:,}")
    yield row("adapters replaced", f"{len(results['reloads'])}")
    yield f"{100 * results['alike_by_chance']:.2f} % of all pairs"
    median, p95, p99 = (f"{waits[part]:.0f} ms" for part in ("median", "p95", "p99"))
    yield f"waited {median} in the median, {p95} in 95 of 100 cases and {p99.removesuffix(' ms')} ms in 99"
    reloads = sorted(reload["seconds"] for reload in results["reloads"])
    yield f"took {reloads[0]:.2f} to {reloads[-1]:.2f} seconds**, the median {reloads[len(reloads) // 2]:.2f}"
    yield f"the longest wait of a request was {waits['longest'] / 1000:.2f} seconds"
    begun, settled, last = (memory[moment]["own_mb"] for moment in ("first", "settled", "last"))
    yield f"{begun:.0f} MB when the load began, {settled:.0f} MB after 14 minutes"
    yield f"and {last:.0f} MB at the end, after 50 more minutes"
    growth = memory["mb_an_hour"]
    own, most = growth["own_mb"], growth["resident_mb"]["high"]
    yield f"{decimals(own['mean'], 1)} MB an hour, 95 % interval {within(own)}"
    yield f"below 1 % of it, {memory['settled']['resident_mb'] / 100:.2f} MB, and it ends at {most:.2f}"
    yield "By the program's rule it was flat" if results["held"]["memory was flat"] else "it was not flat"
    before = read("served-soak-one-thread")
    require(all(before["held"].values()), "it was flat with one thread for reloads too")


def within(slope: dict[str, float]) -> str:
    """Return the interval of a slope."""
    return f"[{decimals(slope['low'], 1)}, {decimals(slope['high'], 1)}]"
