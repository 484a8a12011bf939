"""A tokenizer at work: its files come from elsewhere, so each call may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.architecture import counts_padding, has_token_types
from adapter_workbench.workbench.backbone.tokenizer_bounds import HINT, folder_of, require_bounded_texts
from adapter_workbench.workbench.errors import InputError, blaming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import BatchEncoding, PretrainedConfig, PreTrainedTokenizerBase

EMBEDDINGS = "embeddings_of_the_model"  # an attribute of tokenizers
COUNTS_PADDING = "positions_count_padding"  # another one
TYPES = "token_type_ids"


def tokenise(tokenizer: PreTrainedTokenizerBase, *texts: Any, **options: Any) -> BatchEncoding:
    """Return ``tokenizer(*texts, **options)``.

    Raises:
        InputError: the tokenizer fails, or panics, makes far more of a text than was given, or finds a token that the
            model does not know.
    """
    require_bounded_texts(tokenizer, [*texts, options.get("text_target")])
    with blaming("the tokenizer cannot read a text", folder_of(tokenizer), HINT):
        encoding: BatchEncoding = tokenizer(*texts, **options)
    if embeddings := getattr(tokenizer, EMBEDDINGS, 0):
        _require_embedded(tokenizer, encoding["input_ids"], embeddings)
    return encoding


def note_embeddings(tokenizer: PreTrainedTokenizerBase, embeddings: int) -> None:
    """Let :func:`tokenise` refuse texts that hold a token for which a model with ``embeddings`` embeddings has none.

    Such tokens come with published models (of Gemma 3, one that stands for an image), and no usual text holds one. A
    foreign tokenizer may put any number around a text.
    """
    setattr(tokenizer, EMBEDDINGS, embeddings)


def fit_to(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> None:
    """Let a tokenizer return no token types where the model has none, and :func:`text_side` know of its positions.

    The usual class of a folder (``PreTrainedTokenizerFast``) returns types whatever the model is.
    """
    setattr(tokenizer, COUNTS_PADDING, counts_padding(config))
    if not has_token_types(config) and TYPES in tokenizer.model_input_names:
        read = [name for name in tokenizer.model_input_names if name != TYPES]
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = read


def text_side(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return on which side texts are padded: on the right where positions count padding, whatever suits prompts."""
    side: str = "right" if getattr(tokenizer, COUNTS_PADDING, False) else tokenizer.padding_side
    return side


def _require_embedded(tokenizer: PreTrainedTokenizerBase, ids: Any, embeddings: int) -> None:
    rows = ids if isinstance(ids, list) else ids.tolist()
    token = _without_embedding([rows] if rows and isinstance(rows[0], int) else rows, embeddings)
    if token is None:
        return
    if token not in tokenizer.get_vocab().values():
        message = f"it makes token {token} of a text, but the model has only {embeddings} embeddings"
        raise InputError(message, where=folder_of(tokenizer), hint=HINT)
    raise InputError(
        f"a text holds {texts_of(tokenizer, [[token]])[0]!r}, for which the model has no embedding",
        where=folder_of(tokenizer),
        hint="The tokenizer treats it as a special token; take it out of the text.",
    )


def _without_embedding(rows: Iterable[list[int]], embeddings: int) -> int | None:
    for row in rows:
        for token in (max(row, default=0), min(row, default=0)):
            if not 0 <= token < embeddings:
                return token
    return None


def texts_of(tokenizer: PreTrainedTokenizerBase, ids: Any, **options: Any) -> list[str]:
    """Return ``tokenizer.batch_decode(ids, **options)``.

    Raises:
        InputError: the tokenizer fails, or panics.
    """
    with blaming("the tokenizer cannot write a text", folder_of(tokenizer), HINT):
        texts: list[str] = tokenizer.batch_decode(ids, **options)
    return texts
