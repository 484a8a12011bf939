"""A tokenizer at work: its files come from elsewhere, so each call may fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.backbone.architecture import counts_padding, has_token_types
from workbench.backbone.tokenizer_bounds import HINT, folder_of, require_bounded_texts
from workbench.errors import InputError, blaming

if TYPE_CHECKING:
    from transformers import BatchEncoding, PretrainedConfig, PreTrainedTokenizerBase

WITHOUT_EMBEDDING = "tokens_without_embedding"  # an attribute of tokenizers
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
    if without := getattr(tokenizer, WITHOUT_EMBEDDING, None):
        _require_embedded(tokenizer, encoding["input_ids"], without)
    return encoding


def note_tokens(tokenizer: PreTrainedTokenizerBase, embeddings: int) -> None:
    """Let :func:`tokenise` refuse texts that hold a token for which a model with ``embeddings`` embeddings has none.

    Such tokens come with published models (of Gemma 3, one that stands for an image), and no usual text holds one.
    """
    setattr(tokenizer, WITHOUT_EMBEDDING, {token for token in tokenizer.get_vocab().values() if token >= embeddings})


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


def _require_embedded(tokenizer: PreTrainedTokenizerBase, ids: Any, without: set[int]) -> None:
    rows = [ids] if len(ids) and isinstance(ids[0], int) else ids
    if token := next((int(token) for row in rows for token in row if int(token) in without), None):
        message = f"a text holds {texts_of(tokenizer, [[token]])[0]!r}, for which the model has no embedding"
        raise InputError(
            message,
            where=folder_of(tokenizer),
            hint="The tokenizer treats it as a special token; take it out of the text.",
        )


def texts_of(tokenizer: PreTrainedTokenizerBase, ids: Any, **options: Any) -> list[str]:
    """Return ``tokenizer.batch_decode(ids, **options)``.

    Raises:
        InputError: the tokenizer fails, or panics.
    """
    with blaming("the tokenizer cannot write a text", folder_of(tokenizer), HINT):
        texts: list[str] = tokenizer.batch_decode(ids, **options)
    return texts
