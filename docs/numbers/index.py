"""The numbers of docs/index.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import above_better_rate, declared, limits, mean, number, p, pair, read, reading, require

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the caption of the figure."""
    document = read("20news-10")
    lora, full = (
        document["strategies"][name]["metrics"]["forgetting"] for name in ("isolated-lora", "sequential-full")
    )
    require(not any(lora["values"]), "isolated LoRAs forgot none")
    adjusted = declared(document)["isolated-lora"]
    higher = document["strategies"]["isolated-lora"]["comparison"]["average_accuracy"]
    require((adjusted.reading, adjusted.family) == ("higher", 9), "higher, adjusted for nine comparisons")
    yield (
        f"full fine-tuning of one model forgot {mean(full)} points, isolated LoRAs none. At the end the LoRAs score "
        f"{number(higher['mean'])} points higher on average, 95 % interval {limits(higher)} ({p(adjusted)}, adjusted "
        f"for nine comparisons), {number(above_better_rate(document, 'isolated-lora'))} points above"
    )
    heads = pair(document, "isolated-lora", "sequential-head")
    require(reading(heads) == "undecided", "undecided")
    yield f"and {mean(heads)} above heads on the frozen model, undecided"
