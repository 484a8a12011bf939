"""The numbers of docs/index.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import declared, mean, p, read, require

from fusion.methods import COMPOSITIONS

STATED: list[str] = []


def pieces() -> Iterator[str]:
    """Yield the caption of the figure, and how many compositions there are."""
    document = read("quickstart")
    forgot = {name: strategy["metrics"]["forgetting"] for name, strategy in document["strategies"].items()}
    require(forgot["lora-isolated"]["values"] == [0.0, 0.0, 0.0], "isolated LoRAs forgot none")
    adjusted = declared(document, "forgetting")["lora-isolated"]
    yield (
        f"Full fine-tuning forgot {mean(forgot['full-sequential'])} points, isolated LoRAs none "
        f"({p(adjusted)}, adjusted for two comparisons)"
    )
    yield f"| [How adapters are composed](fusion.md) | {len(COMPOSITIONS.names())} ways"
