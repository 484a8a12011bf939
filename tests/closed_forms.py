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
    return dense(shape.hidden, BOTTLENECK) + dense(BOTTLENECK, shape.hidden)


def dense(inputs: int, outputs: int) -> int:
    """A weight and a bias."""
    return inputs * outputs + outputs


def coupling(shape: Shape) -> int:
    """NICE: two networks from one half of a state to the other, with a quarter of its size between."""
    half, inner = shape.hidden // 2, shape.hidden // 4
    return 2 * (dense(half, inner) + dense(inner, half))


def kronecker(shape: Shape, modules: int) -> int:
    """Down and up in each module: n rank-one factors and a bias; n matrices n × n for all of them."""
    n, inner = 4, shape.hidden // 8
    return modules * (2 * (shape.hidden + inner) + inner + shape.hidden) + n**3


def prefixes(shape: Shape, length: int) -> int:
    """One network for each kind of attention: embedding, 128 units, keys and values of all its layers."""

    def network(layers: int) -> int:
        return length * shape.hidden + dense(shape.hidden, 128) + dense(128, layers * 2 * shape.key_value)

    kinds = [shape.encoder, shape.decoder, shape.decoder]  # self-attention twice, then cross-attention
    return sum(network(layers) for layers in kinds if layers)


def unipelt(shape: Shape) -> int:
    """Its parts, and a gate (hidden → 1) for each prefix, bottleneck, and LoRA."""
    parts = prefixes(shape, 10) + shape.blocks * bottleneck(shape) + BODY["lora"](shape)
    return parts + (shape.attentions + shape.blocks + 2 * shape.attentions) * dense(shape.hidden, 1)


def hypernetwork(shape: Shape) -> int:
    """Embeddings (16) of the task and of each matrix, a hidden layer (32), one output layer for each shape of them."""
    widths = {shape.hidden, shape.key_value}  # what B maps to; A always maps from the hidden size
    matrices = 4 * shape.attentions
    outputs = sum(dense(32, RANK * width) for width in [shape.hidden, *widths])
    return 16 * (1 + matrices) + dense(32, 32) + outputs


def s4(shape: Shape) -> int:
    """Of two layers, one has adapter and prefix, the other adapter, prefix and biases."""
    biases = 6 * shape.hidden + shape.inner + 2 * shape.hidden  # query, key, value, both outputs, inner, LayerNorms
    return 2 * (bottleneck(shape) + 10 * 2 * shape.hidden) + biases - shape.hidden


def body(method: str, shape: Shape) -> int:
    """Parameters on the body; those of a mixture are its parts' together."""
    return sum(BODY[part](shape) for part in method.split("+"))


# method → parameters on the body; a method that trains the backbone itself is counted from the model
BODY: dict[str, Callable[[Shape], int]] = {
    "head": lambda shape: 0,
    "in-context": lambda shape: 0,
    # query and value
    "lora": lambda shape: (
        shape.attentions * (factors(shape.hidden, shape.hidden) + factors(shape.key_value, shape.hidden))
    ),
    "pfeiffer": lambda shape: shape.blocks * bottleneck(shape),
    "houlsby": lambda shape: 2 * shape.blocks * bottleneck(shape),
    "parallel": lambda shape: shape.blocks * bottleneck(shape),
    "pfeiffer-inv": lambda shape: shape.blocks * bottleneck(shape) + coupling(shape),
    "houlsby-inv": lambda shape: 2 * shape.blocks * bottleneck(shape) + coupling(shape),
    "compacter": lambda shape: kronecker(shape, 2 * shape.blocks),
    "compacter-plus-plus": lambda shape: kronecker(shape, shape.blocks),
    "prefix": lambda shape: prefixes(shape, 30),
    "mam": lambda shape: prefixes(shape, 30) + shape.blocks * bottleneck(shape),
    "unipelt": unipelt,
    "s4": s4,
    "hypernetwork": hypernetwork,
    # rank 4: two matrices and a bias
    "loreft": lambda shape: shape.blocks * (2 * 4 * shape.hidden + 4),
}
