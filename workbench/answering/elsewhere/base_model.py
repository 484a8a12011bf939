"""Whether a whole model was trained from a base model: same shapes, same vocabulary, same tokens for a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.answering.elsewhere.model_files import has_tokenizer
from adapter_workbench.workbench.backbone.architecture import UNREAD, skeleton
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from adapter_workbench.workbench.backbone.pretrained import Backbone

TEXTS = ("A word.", "Another text, which is longer: 7 words & 2 commas (ÄÖ) … naïve\n日本語")
ALONE = "Name the model that it was trained from, or keep it as its own backbone: --backbone itself"


def require_base(model: Backbone, base: Backbone, where: Path) -> None:
    """Make sure that a model's weights and tokens fit the backbone that it is to come in on.

    Args:
        model: the model.
        base: the backbone.
        where: the model's folder.

    Raises:
        InputError: it is of another architecture or size, its vocabulary was resized, or its tokenizer is another one.
    """
    difference = _other_architecture(model, base) or _other_shape(model, base) or _other_tokens(model, base)
    if difference:
        raise InputError(f"this is not a model of {base.name}: {difference}", where=str(where), hint=ALONE)


def _other_architecture(model: Backbone, base: Backbone) -> str | None:
    ours, theirs = base.config.model_type, model.config.model_type
    return None if ours == theirs else f"its architecture is {theirs}, that of the backbone {ours}"


def _other_shape(model: Backbone, base: Backbone) -> str | None:
    """Return which tensor the two do not have in common, or how many tokens they know."""
    ours, theirs = (
        {name: tuple(weight.shape) for name, weight in skeleton(backbone.config).named_parameters()}
        for backbone in (base, model)
    )
    words = skeleton(base.config).get_input_embeddings()  # type: ignore[operator]  # a model of transformers
    for name, shape in ours.items():
        if name.startswith(UNREAD) or (other := theirs.get(name)) == shape:
            continue
        if other is None:
            return f"it has no {name}"
        if shape[1:] == other[1:] and skeleton(base.config).get_parameter(name) is words.weight:
            return f"its vocabulary was resized to {other[0]:,} tokens, that of the backbone has {shape[0]:,}"
        return f"{name} is {_by(other)}, that of the backbone {_by(shape)}"
    further = next((name for name in theirs if name not in ours and not name.startswith(UNREAD)), None)
    return f"the backbone has no {further}" if further else None


def _other_tokens(model: Backbone, base: Backbone) -> str | None:
    """Return which word has another number, or which text other tokens; None too where the folder has no tokenizer."""
    if not has_tokenizer(model.folder):
        return None
    if difference := other_words(model.tokenizer.get_vocab(), base.tokenizer.get_vocab()):
        return difference
    for text in TEXTS:
        theirs, ours = (tokenise(backbone.tokenizer, text)["input_ids"] for backbone in (model, base))
        if theirs != ours:
            return f"its tokenizer is another one: it splits {text!r} otherwise"
    return None


def other_words(theirs: Mapping[str, int], ours: Mapping[str, int]) -> str | None:
    """Return which word has another number in a sender's tokenizer than in a backbone's; None where all are the same.

    Args:
        theirs: the sender's words and their numbers.
        ours: the backbone's.
    """
    for word, number in sorted(theirs.items(), key=lambda item: item[1]):
        if ours.get(word) != number:
            at = f"has number {ours[word]} there" if word in ours else "is not known there"
            return f"its tokenizer is another one: {word!r}, number {number} here, {at}"
    if missing := sorted(ours.keys() - theirs.keys()):
        return f"its tokenizer is another one: it does not know {missing[0]!r}"
    return None


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a number"
