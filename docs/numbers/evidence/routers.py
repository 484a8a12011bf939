"""The numbers of docs/evidence/routers.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from measured import DASH, gap, number, read, require, row, score, told_apart

STATED = [
    "How many texts does `--max-false-rejections 0.05` reject?",
    "10 ms a switch and a ratio of 0.8",
    "peft's own mixed layer reached 0.76 on another processor",
]
ORDER = ("oracle", "joint-full", "joint-lora", "mahalanobis", "prototype", "arrow", "gates")


def rejections() -> Iterator[str]:
    """Yield the table of rejected texts, and what is said of it."""
    rejection = read("rejection")["rejection"]
    for router, figures in rejection.items():
        rejected = figures["rejected"]["0.05"]
        own, foreign = rejected["own"], rejected["foreign"]
        parts = (figures["routing_accuracy"], fmean(own.values()), max(own.values()), *foreign.values())
        yield row(router, *(f"{100 * part:.1f}" for part in parts))
    wider = rejection["mahalanobis"]["rejected"]["0.1"]
    yield (
        f"With 0.1 `mahalanobis` rejects {100 * fmean(wider['own'].values()):.1f} % of the tasks' own texts, "
        f"{100 * wider['foreign']['random letters']:.1f} % of random letters and "
        f"{100 * wider['foreign']['20news-3']:.1f} % of 20news-3."
    )


def pieces() -> Iterator[str]:
    """Yield the tables in the order of the page, each with the sentences below it."""
    routing = read("routing")
    contenders, tasks = routing["contenders"], routing["tasks"]
    for label in ORDER:
        figures = contenders[label]
        yield row(
            label,
            score(figures["accuracy"]),
            score(figures["routing_accuracy"]),
            *(
                gap(figures["minus"][joint]) if joint in figures["minus"] else DASH
                for joint in ("joint-lora", "joint-full")
            ),
            f"{figures['fit_seconds']:.1f}",
            DASH if label.startswith("joint") else f"{figures['milliseconds_a_text']:.1f}",
        )
    best, oracle = contenders["mahalanobis"], contenders["oracle"]
    below = best["minus"]["joint-lora"]
    require(told_apart(below) and below["mean"] < 0, "the best router is below joint LoRA training")
    yield (
        f"The best router is {number(-below['mean'])} points below joint LoRA training and "
        f"{100 * (oracle['accuracy']['mean'] - best['accuracy']['mean']):.0f} below the oracle."
    )
    yield f"The loss comes from finding the task ({100 * best['routing_accuracy']['mean']:.0f} %)"
    religion, guns, motorcycles = (tasks.index(name) for name in ("20news-8", "20news-7", "20news-3"))
    yield f"{100 * best['confusion'][religion][guns]:.0f} % go to the adapter on politics and guns"
    yield f"{100 * best['confusion'][motorcycles][guns]:.0f} % of the posts on motorcycles and baseball do too"
    yield from rejections()
    for method, figures in read("serving")["methods"].items():
        yield row(
            method,
            f"{figures['switch_ms']:.1f}, {figures['slowest_switch_ms']:.1f}",
            f"{figures['texts_per_second_alone']:.0f}",
            f"{figures['texts_per_second_mixed']:.0f}",
            f"{figures['mixed_to_alone']:.2f}",
        )
