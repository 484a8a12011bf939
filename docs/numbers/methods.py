"""The numbers of docs/methods.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measured import count, decimals, limits, mean, number, read, require, row, told_apart, with_limits

from experiments.reporting.differences import MARKS

STATED = [
    # the run of the day before on another machine, kept in no file
    "Three seeds on another machine the day before gave −0.6 and −1.9.",
    "The aim was lora and pfeiffer within 0.4 points of full fine-tuning.",
]


def pieces() -> Iterator[str]:
    """Yield the table, and the sentences below it."""
    methods = read("compare-methods")["methods"]
    full = methods["full"]
    for name in sorted(methods, key=lambda name: -methods[name]["score"]["mean"]):
        yield method_row(name, methods[name], full)
    yield from sentences(methods)


def method_row(name: str, method: dict[str, Any], full: dict[str, Any]) -> str:
    """Return the row of one method."""
    cost, measured = method["cost"], method["measured"]
    parameters = cost["trainable_parameters"]
    return row(
        name,
        with_limits(method["score"]),
        *(mean(task) for task in method["tasks"].values()),
        *differences(method["difference"]),
        f"{count(parameters)} ({100 * parameters / full['cost']['trainable_parameters']:.2f} %)",
        f"{cost['train_seconds']:.0f} s",
        f"{measured['step_mb']:.0f} MB",
        f"{cost['stored_bytes'] / 1e6:.2f} MB",
        f"{1e6 * measured['backward_seconds_per_token']:.1f}",
        slowdown(measured),
    )


def differences(difference: dict[str, Any] | None) -> tuple[str, str]:
    """Return the cells over seeds and over examples; two empty cells for the reference."""
    if difference is None:
        return "", ""
    over_examples = difference["bootstrap"]
    return (
        f"{number(difference['mean'])} {limits(difference)}",
        f"{limits(over_examples)} {MARKS[over_examples['reading']]}",
    )


def slowdown(measured: dict[str, Any]) -> str:
    """Return how much longer an answer takes than with the bare backbone: ``+6 %``."""
    percent = round(change(measured))
    return f"{'+' if percent > 0 else ''}{decimals(percent, 0)} %"


def change(measured: dict[str, Any]) -> float:
    """Return the same in percent."""
    return 100 * float(measured["inference_ms"] / measured["bare_inference_ms"] - 1)


def sentences(methods: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of scores, tuning, the recommendation and costs."""
    lora, pfeiffer = (methods[name]["difference"] for name in ("lora", "pfeiffer"))
    parts = {
        name: method["cost"]["trainable_parameters"] / methods["full"]["cost"]["trainable_parameters"]
        for name, method in methods.items()
    }
    require(not told_apart(lora) and not told_apart(lora["bootstrap"]), "lora is not distinguishable")
    yield (
        f"lora is {number(-lora['mean'])} points below, with {100 * parts['lora']:.2f} % of the parameters, and this "
        f"difference is not distinguishable from 0 ({limits(lora)} over seeds, {limits(lora['bootstrap'])} over test "
        "examples)."
    )
    require(told_apart(pfeiffer) and told_apart(pfeiffer["bootstrap"]), "pfeiffer is distinguishable")
    yield (
        f"pfeiffer, with {100 * parts['pfeiffer']:.1f} %, is {number(-pfeiffer['mean'])} below, and both intervals "
        "of this "
        f"difference exclude 0 ({limits(pfeiffer)}, {limits(pfeiffer['bootstrap'])})."
    )
    losses = {
        name: {
            task: number(methods["full"]["tasks"][task]["mean"] - score["mean"])
            for task, score in methods[name]["tasks"].items()
        }
        for name in ("lora", "pfeiffer", "bitfit")
    }
    require(losses["lora"]["20news-7"] == "0.0", "lora loses none")
    newsgroups, news = ({name: loss[task] for name, loss in losses.items()} for task in ("20news-7", "bbc-news"))
    yield (
        f"there pfeiffer loses {newsgroups['pfeiffer']} points and bitfit {newsgroups['bitfit']}, while lora loses "
        "none."
    )
    yield f"On bbc-news pfeiffer, bitfit and lora lose {news['pfeiffer']}, {news['bitfit']} and {news['lora']}."
    [tuning] = [tuning for tuning in methods["pfeiffer"]["tuning"] if tuning["task"] == "20news-7"]
    own, smaller = tuning["attempts"]
    require(own["validation"] == smaller["validation"], "pfeiffer's two rates got equal validation scores")
    require(tuning["chosen"] == smaller["learning_rate"], "the likelihood chose the smaller rate")
    yield f"pfeiffer's two rates got equal validation scores ({number(own['validation'])} each)"
    overlapping = [
        name for name in methods if methods[name]["score"]["high"] >= methods["full"]["score"]["low"] and name != "head"
    ]
    require(len(overlapping) == len(methods) - 1 == 10, "the ten whose interval overlaps; only head's does not")
    yield (
        f"among the ten whose interval overlaps the best method's ({limits(methods['full']['score'])}); only the "
        "interval "
        "of `head` does not."
    )
    ln = methods["ln"]["difference"]
    yield f"`ln` is {number(-ln['mean'])} points below full fine-tuning, over seeds {limits(ln)}"
    adapters = [methods[name]["measured"] for name in methods if name not in ("full", "head")]
    whole = methods["full"]["measured"]
    savings = [whole["step_mb"] / measured["step_mb"] for measured in adapters]
    require(min(savings) > 1.9 and max(savings) < 3.1, "two to three times less memory")
    backward = [measured["backward_seconds_per_token"] / whole["backward_seconds_per_token"] for measured in adapters]
    yield (
        "**A step of an adapter takes two to three times less memory than a step of full fine-tuning, and "
        f"{100 * min(backward):.0f} to {100 * max(backward):.0f} % of its backward time.**"
    )
    require(all(abs(change(methods[name]["measured"])) <= 2.5 for name in ("head", "bitfit", "ln")), "noise, up to 2 %")
    yield "(which add no operation) are noise, up to 2 %."
