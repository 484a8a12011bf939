"""The numbers of docs/composing.md: of the registered designs, of an encoder, and of a language model."""

from __future__ import annotations

from collections.abc import Iterator

import measured_designs
import measured_encoder
import measured_generator
import measured_same_group
import measured_screen
import measured_skills
import measured_starts
import measured_two_steps

STATED = [
    *measured_encoder.STATED,
    *measured_generator.STATED,
    *measured_same_group.STATED,
    *measured_screen.STATED,
    *measured_two_steps.STATED,
]


def pieces() -> Iterator[str]:
    """Yield the tables and sentences of every comparison on the page."""
    yield from measured_designs.pieces()
    yield from measured_encoder.pieces()
    yield from measured_generator.pieces()
    yield from measured_same_group.pieces()
    yield from measured_screen.pieces()
    yield from measured_starts.pieces()
    yield from measured_two_steps.pieces()
    yield from measured_skills.pieces()
