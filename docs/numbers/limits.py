"""The numbers of docs/limits.md."""

from __future__ import annotations

from collections.abc import Iterator

from measured import count, read

STATED = [
    "beside two busy processes took 96 s, and 33 s with",  # 20news-3, lora, 96 examples, one epoch
    "needs transformers 4.57, and holds it there",
    "transformers 4.57 cannot read a tokenizer that version 5 has",
]


def pieces() -> Iterator[str]:
    """Yield the size of the encoder."""
    parameters = read("20news-10")["strategies"]["individual-full"]["cost"]["trainable_parameters"]
    yield f"small sentence encoder ({count(parameters)} parameters)"
