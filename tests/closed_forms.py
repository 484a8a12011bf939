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
        architecture: which of the three.
        heads: of an attention.
    """

    hidden: int
    inner: int
    encoder: int
    decoder: int
    key_value: int
    architecture: str
    heads: int = 4

    @property
    def blocks(self) -> int:
        """All of them."""
        return self.encoder + self.decoder

    @property
    def attentions(self) -> int:
        """How many times there are query, key, value and output projections."""
        return self.encoder + 2 * self.decoder


SHAPES = {
    "bert": Shape(hidden=32, inner=64, encoder=2, decoder=0, key_value=32, architecture="bert"),
    "llama": Shape(hidden=32, inner=64, encoder=2, decoder=0, key_value=16, architecture="llama"),
    "t5": Shape(hidden=32, inner=64, encoder=2, decoder=2, key_value=32, architecture="t5"),
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


def hypercomplex(shape: Shape, modules: int) -> int:
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


def projections(shape: Shape) -> list[tuple[int, int]]:
    """Rows and columns of the matrices that make queries and values."""
    return shape.attentions * [(shape.hidden, shape.hidden), (shape.key_value, shape.hidden)]


def adapted(shape: Shape) -> list[tuple[int, int]]:
    """Rows and columns of the matrices that make queries and values; of T5 all matrices, where peft says so."""
    if shape.architecture != "t5":
        return projections(shape)
    square, wide = (shape.hidden, shape.hidden), (shape.hidden, shape.inner)
    return 4 * shape.attentions * [square] + 2 * shape.blocks * [wide]


def kronecker(rows: int, columns: int) -> int:
    """W₁ and W₂ in full, each side split in two as evenly as it divides; W₁ has the smaller parts."""
    first, second = ({32: (4, 8), 16: (4, 4)}[side] for side in (rows, columns))
    return first[0] * second[0] + first[1] * second[1]


def attention(shape: Shape) -> int:
    """The weights of query, key, value and output."""
    return 2 * shape.hidden**2 + 2 * shape.key_value * shape.hidden


def last_block(shape: Shape) -> int:
    """All of it; T5's is a decoder's, with two attentions and three normalisations."""
    h, inner = shape.hidden, shape.inner
    return {
        "bert": attention(shape) + 4 * h + 2 * h * inner + inner + h + 4 * h,
        "llama": attention(shape) + 3 * h * inner + 2 * h,
        "t5": 2 * attention(shape) + 2 * h * inner + 3 * h,
    }[shape.architecture]


def normalisations(shape: Shape) -> int:
    """BERT: two LayerNorms a block and one on the embeddings; the others: gains alone, and one after each stack."""
    h = shape.hidden
    return {
        "bert": 2 * h * (2 * shape.blocks + 1),
        "llama": h * (2 * shape.blocks + 1),
        "t5": h * (2 * shape.encoder + 3 * shape.decoder + 2),
    }[shape.architecture]


def biases(shape: Shape) -> int:
    """BERT's: four of attention, two of the feed-forward block, two of LayerNorms; one on the embeddings."""
    return shape.blocks * (7 * shape.hidden + shape.inner) + shape.hidden


def position_biases(shape: Shape) -> int:
    """One number a bucket and head, in the first block of a stack."""
    return 32 * shape.heads if shape.architecture == "t5" else 0


def after_blocks(shape: Shape) -> int:
    """The normalisation that stands there."""
    return 0 if shape.architecture == "bert" else shape.hidden


def whole(shape: Shape) -> int:
    """All that reaches the states: 31 words, 64 positions and 2 types (BERT), blocks, normalisations."""
    h, inner = shape.hidden, shape.inner
    return {
        "bert": (31 + 64 + 2) * h + 2 * h + shape.blocks * last_block(shape),
        "llama": 31 * h + shape.blocks * last_block(shape) + h,
        "t5": 31 * h
        + shape.encoder * (attention(shape) + 2 * h * inner + 2 * h)
        + shape.decoder * last_block(shape)
        + 2 * (position_biases(shape) + h),
    }[shape.architecture]


# method → parameters on the body; a method that trains all of the backbone is counted from the model
BODY: dict[str, Callable[[Shape], int]] = {
    "head": lambda shape: 0,
    "in-context": lambda shape: 0,
    # query and value
    "lora": lambda shape: (
        shape.attentions * (factors(shape.hidden, shape.hidden) + factors(shape.key_value, shape.hidden))
    ),
    "pfeiffer": lambda shape: shape.blocks * bottleneck(shape),
    "rslora": lambda shape: sum(factors(*size) for size in projections(shape)),
    "pissa": lambda shape: sum(factors(*size) for size in projections(shape)),
    # a length for each row beside the factors
    "dora": lambda shape: sum(factors(*size) + size[0] for size in projections(shape)),
    # singular values beside the factors, of rank 12 at first
    "adalora": lambda shape: sum(factors(*size, rank=12) + 12 for size in adapted(shape)),
    "loha": lambda shape: sum(2 * factors(*size) for size in projections(shape)),
    "lokr": lambda shape: sum(kronecker(*size) for size in projections(shape)),
    # a number for each row and for each of 256 directions
    "vera": lambda shape: sum(rows + 256 for rows, _ in projections(shape)),
    # a skew-symmetric block of 32 × 32
    "oft": lambda shape: len(projections(shape)) * shape.hidden // 32 * (32 * 31 // 2),
    # blocks of 8 × 8 and a scale for each row
    "boft": lambda shape: sum(columns // 8 * 8**2 + rows for rows, columns in projections(shape)),
    # keys, values, and what enters the feed-forward block's second matrix; in BERT also the attention's output matrix
    "ia3": lambda shape: (
        shape.attentions * 2 * shape.key_value
        + shape.blocks * shape.inner
        + (shape.blocks * shape.hidden if shape.architecture == "bert" else 0)
    ),
    # what a run of 16 columns shares
    "miss": lambda shape: sum(16 * rows for rows, _ in projections(shape)),
    # one product of rank 32 for each 32 of the smaller side: a number for each of its ranks and of that side
    "randlora": lambda shape: sum(-(-min(size) // 32) * (32 + min(size)) for size in projections(shape)),
    # an angle and a length for each two outputs
    "road": lambda shape: sum(rows for rows, _ in projections(shape)),
    # a row of each block of 16 × 16
    "c3a": lambda shape: sum(rows * columns // 16 for rows, columns in projections(shape)),
    "fourierft": lambda shape: 200 * len(projections(shape)),
    "wave-ft": lambda shape: 200 * len(projections(shape)),
    # a length beside the factors
    "delora": lambda shape: sum(factors(*size) + 1 for size in projections(shape)),
    "gralora": lambda shape: sum(factors(*size, rank=32) for size in projections(shape)),
    "hra": lambda shape: sum(8 * columns for _, columns in projections(shape)),
    # 256 vectors of 16, and a logit for each at each piece of both factors of rank 4
    "vblora": lambda shape: 256 * 16 + sum(256 * 4 * (rows + columns) // 16 for rows, columns in projections(shape)),
    "lora-plus": lambda shape: sum(factors(*size) for size in projections(shape)),
    "lora-fa": lambda shape: sum(RANK * rows for rows, _ in projections(shape)),  # B alone
    # ranks are given to others, but of matrices of one shape, or of queries and values that read the same, as many
    "eva": lambda shape: sum(factors(*size) for size in projections(shape)),
    "corda": lambda shape: sum(factors(*size) for size in projections(shape)),
    "lora-ga": lambda shape: sum(factors(*size) for size in projections(shape)),
    "shira": lambda shape: sum(factors(*size) for size in projections(shape)),
    "prompt": lambda shape: 20 * shape.hidden,
    # the tokens and three layers, h → 128 → 128 → h
    "p-tuning": lambda shape: (
        20 * shape.hidden + 128 * shape.hidden + 128 + 128 * 128 + 128 + 128 * shape.hidden + shape.hidden
    ),
    # a difference and a gate for every weight
    "diff-pruning": lambda shape: 2 * whole(shape),
    "ln": normalisations,
    "bitfit": biases,
    "bitfit-ln": lambda shape: biases(shape) + normalisations(shape) // 2,  # a LayerNorm's bias is a bias
    "partial": lambda shape: 2 * last_block(shape) + position_biases(shape) + after_blocks(shape),
    "houlsby": lambda shape: 2 * shape.blocks * bottleneck(shape),
    "parallel": lambda shape: shape.blocks * bottleneck(shape),
    "pfeiffer-inv": lambda shape: shape.blocks * bottleneck(shape) + coupling(shape),
    "houlsby-inv": lambda shape: 2 * shape.blocks * bottleneck(shape) + coupling(shape),
    "compacter": lambda shape: hypercomplex(shape, 2 * shape.blocks),
    "compacter-plus-plus": lambda shape: hypercomplex(shape, shape.blocks),
    "prefix": lambda shape: prefixes(shape, 30),
    "mam": lambda shape: prefixes(shape, 30) + shape.blocks * bottleneck(shape),
    "unipelt": unipelt,
    "s4": s4,
    "hypernetwork": hypernetwork,
    # rank 4: two matrices and a bias
    "loreft": lambda shape: shape.blocks * (2 * 4 * shape.hidden + 4),
}
