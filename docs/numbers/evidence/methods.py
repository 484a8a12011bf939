"""The numbers of docs/evidence/methods.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from measured import (
    count,
    decimals,
    difference,
    limits,
    mean,
    number,
    p,
    read,
    require,
    row,
    with_limits,
)

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED, Difference
from adapter_workbench.experiments.reporting.families import in_family

STATED = [
    "within 0.4 points of full fine-tuning?",  # the aim
    "Until version 0.2 dropout",
    "pooled test, margin 0.5 points",
]


def pieces() -> Iterator[str]:
    """Yield the table, and the sentences below it."""
    document = read("compare-methods")
    methods, full = document["methods"], document["methods"]["full"]
    declared = in_family(
        {name: difference(method["difference"]) for name, method in methods.items() if method["difference"]}
    )
    for name in sorted(methods, key=lambda name: -methods[name]["score"]["mean"]):
        yield method_row(name, methods[name], full, declared.get(name))
    yield from sentences(methods, declared)
    yield from frozen_features(read("frozen-features"))
    yield from upper_layers(read("upper-layers")["methods"], read("upper-layers-steps")["steps"])
    yield from recommendation(document["recommendation"], methods, declared)


def frozen_features(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the table of fits of the head."""
    for epochs, ratios in document["ratios"].items():
        fits = [fit for fit in document["fits"] if str(fit["epochs"]) == epochs]
        once, in_steps = (fmean(fit[way]["validation"] for fit in fits) for way in ("once", "steps"))
        yield row(epochs, f"{ratios['once']}", f"{ratios['again']}", f"{number(once)} %", f"{number(in_steps)} %")


def upper_layers(methods: dict[str, Any], steps: dict[str, Any]) -> Iterator[str]:
    """Yield the table of LoRAs on the upper layers, and what is decided of one."""
    for name, called, layers in (
        ("lora", "all six layers", "6 layers"),
        ("lora-upper-half", "the upper three", "3 layers"),
        ("lora-upper-third", "the upper two", "2 layers"),
    ):
        method = methods[name]
        gap, seconds = method["difference"], method["cost"]["processor_seconds"]
        parts = [layers] if gap is None else [f"{layers}, whole", f"{layers}, known"]
        faster = "; ".join(f"{steps[part]['times_as_fast']:.2f}" for part in parts)
        beside = f"{number(gap['mean'])} {limits(gap)} {MARKS[gap['reading']]}" if gap else ""
        yield row(called, number(method["score"]["mean"]), beside, f"{seconds:.1f}", faster)
    third = methods["lora-upper-third"]["difference"]
    require(third["reading"] == "lower" and methods["lora-upper-half"]["difference"]["reading"] == "undecided", "read")
    yield f"The upper third loses a point (p = {third['p_holm']:.3f} after Holm)"


def method_row(name: str, method: dict[str, Any], full: dict[str, Any], declared: Difference | None) -> str:
    """Return the row of one method."""
    cost, measured = method["cost"], method["measured"]
    parameters = cost["trainable_parameters"]
    return row(
        name,
        with_limits(method["score"]),
        *(mean(task) for task in method["tasks"].values()),
        *differences(method["difference"], declared),
        f"{count(parameters)} ({100 * parameters / full['cost']['trainable_parameters']:.2f} %)",
        f"{cost['train_seconds']:.0f} s",
        f"{measured['step_mb']:.0f} MB",
        f"{cost['stored_bytes'] / 1e6:.2f} MB",
        f"{1e6 * measured['backward_seconds_per_token']:.1f}",
        slowdown(measured),
    )


def differences(measured: dict[str, Any] | None, declared: Difference | None) -> tuple[str, str]:
    """Return the cells over seeds, with the mark of the declared test, and over examples; of the reference two empty.

    Args:
        measured: the difference as its file has it.
        declared: the same, adjusted for all methods.
    """
    if measured is None or declared is None:
        return "", ""
    return f"{number(measured['mean'])} {limits(measured)} {MARKS[declared.reading]}", limits(measured["bootstrap"])


def slowdown(measured: dict[str, Any]) -> str:
    """Return how much longer an answer takes than with the bare backbone: ``+6 %``."""
    percent = round(change(measured))
    return f"{'+' if percent > 0 else ''}{decimals(percent, 0)} %"


def change(measured: dict[str, Any]) -> float:
    """Return the same in percent."""
    return 100 * float(measured["inference_ms"] / measured["bare_inference_ms"] - 1)


def recommendation(
    recommended: dict[str, Any], methods: dict[str, Any], declared: dict[str, Difference]
) -> Iterator[str]:
    """Yield what is said of the declared test, and of the method that it recommends."""
    require({comparison.reading for comparison in declared.values()} == {UNDECIDED}, "all ten are undecided")
    below = number(-methods["head"]["difference"]["mean"])
    head = f"not even `head`, {below} points below ({p(declared['head'])})"
    yield f"After Holm for ten methods none is higher or lower than full fine-tuning, {head}"
    unharmed = [name for name, comparison in declared.items() if "lower" not in comparison.by_test.values()]
    smallest = min(unharmed, key=lambda name: methods[name]["cost"]["trainable_parameters"])
    require(recommended["method"] == smallest, "the recommended method is the smallest of those")
    yield f"By that rule `{smallest}` is recommended"


def sentences(methods: dict[str, Any], declared: dict[str, Difference]) -> Iterator[str]:
    """Yield what is said of scores and costs."""
    lora, pfeiffer = (methods[name]["difference"] for name in ("lora", "pfeiffer"))
    part = methods["lora"]["cost"]["trainable_parameters"] / methods["full"]["cost"]["trainable_parameters"]
    below = f"lora is {number(-lora['mean'])} points below with {100 * part:.2f} % of the parameters"
    yield f"{below}, pfeiffer {number(-pfeiffer['mean'])} ({p(declared['pfeiffer'])})"
    adapters = [methods[name]["measured"] for name in methods if name not in ("full", "head")]
    whole = methods["full"]["measured"]
    savings = [whole["step_mb"] / measured["step_mb"] for measured in adapters]
    require(min(savings) > 1.9 and max(savings) < 3.1, "two to three times less memory")
    backward = [measured["backward_seconds_per_token"] / whole["backward_seconds_per_token"] for measured in adapters]
    yield (
        "A step of an adapter takes two to three times less memory than a step of full fine-tuning, and "
        f"{100 * min(backward):.0f} to {100 * max(backward):.0f} % of its backward time."
    )
    require(all(abs(change(methods[name]["measured"])) <= 2.5 for name in ("head", "bitfit", "ln")), "is noise")
