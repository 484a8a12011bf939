"""How many parameters each method trains on the tiny models, from their shapes alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What a closed form may look at.

    Attributes:
        hidden: h, the size of a token's state.
        inner: of the feed-forward block.
        encoder: number of encoder blocks (of a model with one stack: of all blocks).
        decoder: number of decoder blocks that also attend to an encoder; 0 with one stack.
        key_value: width of what keys and values are projected to; h unless heads share them.
    """

    hidden: int
    inner: int
    encoder: int
    decoder: int
    key_value: int

    @property
    def blocks(self) -> int:
        """All of them."""
        return self.encoder + self.decoder

    @property
    def attentions(self) -> int:
        """How many times there are query, key, value and output projections."""
        return self.encoder + 2 * self.decoder


SHAPES = {
    "bert": Shape(hidden=32, inner=64, encoder=2, decoder=0, key_value=32),
    "llama": Shape(hidden=32, inner=64, encoder=2, decoder=0, key_value=16),
    "t5": Shape(hidden=32, inner=64, encoder=2, decoder=2, key_value=32),
}
RANK, BOTTLENECK = 8, 2


def head(labels: int, shape: Shape) -> int:
    """A weight and a bias."""
    return labels * shape.hidden + labels


def factors(rows: int, columns: int, rank: int = RANK) -> int:
    """B (rows × rank) and A (rank × columns)."""
    return rank * (rows + columns)


def bottleneck(shape: Shape) -> int:
    """Down and up, with their biases."""
    return 2 * shape.hidden * BOTTLENECK + BOTTLENECK + shape.hidden


# method → parameters on the body; a method that trains the backbone itself is counted from the model
BODY: dict[str, Callable[[Shape], int]] = {
    "head": lambda shape: 0,
    # query and value
    "lora": lambda shape: (
        shape.attentions * (factors(shape.hidden, shape.hidden) + factors(shape.key_value, shape.hidden))
    ),
    "pfeiffer": lambda shape: shape.blocks * bottleneck(shape),
    "houlsby": lambda shape: 2 * shape.blocks * bottleneck(shape),
}
