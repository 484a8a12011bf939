"""The numbers of docs/evidence/serving.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import measured_soak
from measured import more_processor_time, read, require, row

STATED = [
    *measured_soak.STATED,
    "A model of 1.07 billion parameters",
    "| `workbench serve`, as above | MiniLM, 22 million parameters, a processor",
    "| Llama 2 7B, A100 | one; room for four | 0.66; 0.66 |",  # as published: 11.45, 7.60 and 7.61 requests a second
    "| Llama 3.1 8B, TPU v6e | one | 0.76 to 0.92 |",
    "| Qwen3.5 35B-A3B, FP8, one and four GPUs | four, mixed | 0.70 to 0.79 |",
    "| Mistral 7B, L40S, one request at a time | one | 0.51 |",  # as published: 69 and 35 tokens a second
]
CALLED = {
    "alone": "`workbench serve`, one client alone, one text a request",
    "one": "`workbench serve`, all requests for one adapter",
    "mixed": "`workbench serve`, each request for one of 20 adapters, drawn",
    "replaced": "the same, while three adapters are replaced",
    "mlflow": "`mlflow models serve`, one adapter",
}
TAX = {
    **measured_soak.BOTTLENECKS,  # the same, and more
    "uniform-1024": "1,024, all equally likely",
    "zipf-1024": "1,024, by Zipf",
    "reload": "1,024, while five are replaced",
}
SEVERAL = [f"{drawn}-{adapters}" for adapters in (20, 128, 1024) for drawn in ("uniform", "zipf")]

WAYS = {
    "mixed": "in one batch, each row by a LoRA of its own",
    "one": "in one batch, all rows by one LoRA",
    "in turn": "one row after the other",
}
JOINING = {
    "alone": "nothing else is being written",
    "joins": "it joins the long answer",
    "waits": "it waits for the end of the long answer (`--max-batch 1`)",
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
    yield from _tax()
    yield from measured_soak.bottlenecks()
    yield from measured_soak.first_answers()
    yield from measured_soak.soak()
    yield from _generation()
    yield from _large()
    yield from _joining()


def _tax() -> Iterator[str]:
    """Yield the table of what an adapter costs, and what is said of it."""
    results = read("adapter-tax")
    for name, called in TAX.items():
        figures = results["load"][name]
        require(set(figures["codes"]) == {"200"}, "no request was lost or refused")
        cost = [f"{figures[part]:.2f}" for part in ("cpu_ms_per_text", "cpu_by_backbone", "cpu_by_one")]
        waits = [f"{figures[part]:.0f}" for part in ("median_ms", "p95_ms", "p99_ms")]
        yield row(called, str(figures["requests"]), *cost, *waits)
    names = ("one", "zipf-1024", "uniform-1024")
    one, least, most = (f"{results['load'][name]['cpu_by_backbone']:.2f}" for name in names)
    yield f"| one; 1,024 | {one}; {least} to {most} |"
    yield f"takes {more_processor_time(results['load'], SEVERAL)} % more processor time than with one"
    memory, reloads = results["memory"], results["load"]["reload"]["reload_s"]
    yield f"{memory['with_two_mb']:.0f} MB with two LoRAs and {memory['with_all_mb']:.0f} MB with 1,024"
    yield f"{(memory['with_all_mb'] - memory['with_two_mb']) / 1022:.2f} MB each"
    yield f"took {min(reloads)} to {max(reloads)} seconds each"


def _generation() -> Iterator[str]:
    """Yield the table of generated answers, and what is said of it."""
    results = read("mixed-generation")
    ways, ratios, agreement = (results[part] for part in ("generation", "ratios_by_mixed", "agreement"))
    require(len({way["tokens"] for way in ways.values()}) == 1, "all ways write as many tokens")
    for name, called in WAYS.items():
        seconds = (ways[name][f"{part}cpu_seconds"] for part in ("", "first_", "further_"))
        times = ways[name]["cpu_seconds"] / ways["mixed"]["cpu_seconds"]
        yield row(called, *(f"{figure:.1f}" for figure in seconds), f"{times:.1f}")
    yield f"{ratios['cpu_seconds of in turn']:.1f} times the processor time of the mixed batch"
    require(agreement["same"] == agreement["rows"], "all rows have the same words")
    yield f"by at most {agreement['confidence_apart']:.0e}"


def _large() -> Iterator[str]:
    """Yield what is said of a larger model that writes for several LoRAs."""
    half, single = (read(f"mixed-generation-large{precision}") for precision in ("-bf16", ""))
    yield f"in bf16 it is {_in_turn(half)} times, in fp32 with 16 tokens {_in_turn(single)} times"
    same = [results["agreement"]["same"] for results in (single, half)]
    yield f"In fp32 {same[0]} of 8 rows have the same words as alone, in bf16 {same[1]}"


def _in_turn(results: dict[str, Any]) -> str:
    """Return how many times the mixed batch's processor time rows in turn take."""
    return f"{results['ratios_by_mixed']['cpu_seconds of in turn']:.1f}"


def _joining() -> Iterator[str]:
    """Yield how long answers take where one is asked for while another is written."""
    results = read("joining-requests")
    for way, called in JOINING.items():
        yield row(called, *(f"{results['answers'][way][name]['cpu_seconds']:.1f}" for name in ("short", "long")))
    ratios = results["ratios"]
    yield f"{ratios['short, waits by joins, cpu_seconds']:.1f} times as long if it waits"
    long_by_joins = 1 / ratios["long, alone by joins, cpu_seconds"]
    yield f"{long_by_joins:.2f} times its time alone"
