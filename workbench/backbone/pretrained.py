"""The pretrained transformer and its tokenizer, out of a folder whose config is checked first."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.workbench.backbone import quantisation
from adapter_workbench.workbench.backbone.architecture import positions
from adapter_workbench.workbench.backbone.checkpoint import BROKEN, require_described, require_read, require_whole
from adapter_workbench.workbench.backbone.config import config_object, read_json
from adapter_workbench.workbench.backbone.fingerprints import (
    config_facts,
    fingerprint,
    is_untouched,
    of_files,
    remember,
    require_numbers,
    state_of,
    tokenizer_digests,
)
from adapter_workbench.workbench.backbone.model_folder import CONFIG
from adapter_workbench.workbench.backbone.tokenizer_bounds import (
    TRIED,
    bounds_of,
    note_bounds,
    require_bounded,
    require_bounded_pieces,
)
from adapter_workbench.workbench.backbone.tokenizer_files import own_files, read_tokenizer
from adapter_workbench.workbench.backbone.tokenizing import fit_to, note_embeddings
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.sharding import read_by_all
from adapter_workbench.workbench.settings.base import Quantization, StoredWidth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.machine.device import Precision

Pooling = Literal["mean", "first", "last"]


@dataclass(frozen=True)
class Backbone:
    """A pretrained transformer on this machine."""

    # as it was asked for: a registered name, a hub id or a path; ``:nf4`` or ``:int8`` after it is the quantisation
    name: str
    folder: Path  # ``config.json``, safetensors weights and tokenizer files
    # how token states become a text's feature vector: ``mean`` over tokens, ``first`` or ``last`` token
    pooling: Pooling
    hub_id: str = ""  # the same model on the hub, for model cards; empty when unknown
    # in how many bits its linear layers are kept; None where they are as they were trained
    quantization: Quantization | None = None
    license: str | None = None  # of the weights, where known
    weights: StoredWidth = "auto"  # whether frozen matrices that are stored in bfloat16 stay so (``bf16_matrices``)
    # whether it is a registered model: its files never change, so that its weights stand for all of them
    pinned: bool = False

    def quantized(self, quantization: Quantization | None, where: str | None = None) -> Backbone:
        """Return the same backbone, quantised; None changes nothing.

        Raises:
            InputError: its name says something else.
        """
        if quantization in (None, self.quantization):
            return self
        if self.quantization:
            hint = "Set the quantisation once: in the backbone's name, or as budget.quantization."
            raise InputError(f"{self.name!r} is not {quantization}", where=where, hint=hint)
        return replace(self, name=f"{self.name}:{quantization}", quantization=quantization)

    def kept(self, weights: StoredWidth, where: str | None = None) -> Backbone:
        """Return the same backbone, with frozen matrices as they are stored or in float32, whatever ``weights`` says.

        Raises:
            InputError: nothing can stay in bfloat16.
        """
        if weights == "bf16" and (why := self._always_wide):
            message = f"the matrices of {self.name!r} cannot stay in bfloat16: {why}"
            raise InputError(message, where=where, hint="Leave budget.weights out.")
        return self if weights == self.weights else replace(self, weights=weights)

    def beside(self) -> Backbone:
        """Return the same backbone with a tokenizer of its own, for another thread: two cannot share one."""
        other = copy.copy(self)
        vars(other).pop("tokenizer", None)
        return other

    def is_still(self, other: Backbone) -> bool:
        """Return whether another one was opened by the same name, and reads texts and computes as this one does."""
        return self == other and self.identity == other.identity

    @cached_property
    def config(self) -> PretrainedConfig:
        """The model's config, built from the checked file by :func:`config_object`."""
        path = self.folder / CONFIG
        config = config_object(read_json(path), str(path))
        config.name_or_path = str(self.folder)
        return config

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer; a model without a padding token pads with its end token.

        Raises:
            InputError: it cannot be opened, pads with nothing, has words that the model has no place for, makes far
                more of a text than was given, or has a regular expression that takes for ever.
        """
        bounds = None if self.pinned else require_bounded(self.folder)
        if not (self.pinned or bounds):
            require_bounded_pieces(self.folder)
        with opening("the tokenizer", str(self.folder), BROKEN):
            tokenizer = read_tokenizer(
                self.folder,
                self.config,
                clean_up_tokenization_spaces=False,  # what a model writes is not altered, as `dog ' cat` would be
                **own_files(self.folder),
            )
            if not self.pinned:
                note_bounds(tokenizer, bounds or bounds_of(tokenizer, str(self.folder)))
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token
            _require_usable(tokenizer, self.config)
            fit_to(tokenizer, self.config)
            note_embeddings(tokenizer, _embedding_count(tokenizer, self.config))
        return tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the pretrained weights: names, shapes and bytes of every tensor, as it is kept."""
        file_fingerprint = None if self.quantization else of_files(self.folder, self.config)
        return file_fingerprint or fingerprint(quantisation.parameters(self.load()))

    @cached_property
    def reading(self) -> str:
        """SHA-256 over config and tokenizer; empty where the model is pinned: keys of before stay."""
        return "" if self.pinned else key([config_facts(self.folder), tokenizer_digests(self.folder)])

    @property
    def identity(self) -> str:
        """What stands for the backbone in keys: all that determines what it makes of a text."""
        return key([self.fingerprint, self.reading]) if self.reading else self.fingerprint

    def elsewhere(self, folder: Path) -> Backbone:
        """Return the same backbone with its files in another folder; its identity is not computed again."""
        moved = replace(self, folder=folder)
        vars(moved).update(fingerprint=self.fingerprint, reading=self.reading)
        return moved

    @cached_property
    def stored_in_bf16(self) -> bool:
        """Whether the checkpoint has the matrices of the linear layers in bfloat16."""
        from adapter_workbench.workbench.backbone.load_widened import stored_narrow

        return bool(stored_narrow(self.folder, self.config))

    def is_intact(self, body: nn.Module) -> bool:
        """Return whether ``body``, from which all that a method put on it was taken off, has the pretrained weights.

        The weights are read only where the system cannot tell that they are still the pages of their file.
        """
        return self.is_untouched(body) or fingerprint(quantisation.parameters(body)) == self.fingerprint

    def is_untouched(self, body: nn.Module) -> bool:
        """Return whether ``body`` is proven to have the pretrained weights, and no others, without reading any.

        False where the system cannot tell; then the weights may still be those.
        """
        return is_untouched(body, self.folder, self.fingerprint)

    def load(self, own: bool = False, precision: Precision = "fp32", frozen: bool = False) -> nn.Module:
        """Return a fresh copy of the transformer without any head, in evaluation mode.

        It is in float32; if quantised, only what is not packed. On a processor, models share memory for as long as
        they do not write to it (:mod:`adapter_workbench.workbench.backbone.shared_weights`).
        Its output holds ``last_hidden_state`` (batch, tokens, hidden_size). A pooler that the checkpoint lacks is drawn
        from a fixed seed, so that every copy is the same; the caller's generator is left alone.

        Args:
            own: share nothing: all weights will be written to, and what is shared would stay in memory beside them.
            precision: of the arithmetic. For bf16, frozen matrices stay in bfloat16 where the checkpoint has them so;
                what comes out is the same to the last bit (:mod:`adapter_workbench.workbench.backbone.bf16_matrices`).
            frozen: whether the linear layers are only called, and stay what they are: then they can be as ``weights``
                says under fp32 as well.

        Raises:
            InputError: the weights cannot be opened, hold NaN or infinity, or are not those that the config describes,
                or the model of this config fails on any text.
        """
        import torch

        from adapter_workbench.workbench.backbone import shared_weights
        from adapter_workbench.workbench.backbone.checkpoint import require_reading
        from adapter_workbench.workbench.backbone.load_widened import compute_widened, load_widened, narrow_matrices

        precision = "fp32" if own or self.quantization else precision
        narrow = not (own or self.quantization) and self._stays_narrow(precision, frozen)
        require_numbers(self.folder)
        state = None if self.quantization else state_of(self.folder)
        if own:
            shared_weights.release()
        # an accelerator has memory of its own, and processes that share a training write all weights when they begin
        alone = own or torch.accelerator.is_available() or processes.count() > 1
        if alone:
            body = self._load()
            body = narrow_matrices(body, self.folder, self.config) if narrow else body
        else:
            widen = partial(load_widened, self.folder, self.config, narrow)
            body = shared_weights.open_shared(state, "bf16" if narrow else "fp32", self._load, widen)
        if narrow and precision == "fp32":
            body = compute_widened(body)
        if processes.count() == 1 and not self.quantization:  # of several, each holds a part of the weights
            require_reading(body, self.folder, state, precision)
        remember(body, state)
        return body

    @property
    def _always_wide(self) -> str | None:
        """Why no matrix can stay in bfloat16 where the arithmetic is in float32; None where some can."""
        if self.quantization:
            return f"{self.quantization} packs them"
        if self.config.is_encoder_decoder:
            return "encoder-decoders may round what a layer reads to the type of its weights"
        return None if self.stored_in_bf16 else "the checkpoint has them in another type"

    def _stays_narrow(self, precision: Precision, frozen: bool) -> bool:
        from adapter_workbench.workbench.backbone.bf16_matrices import stay_narrow

        return (frozen or precision == "bf16") and stay_narrow(self.weights, precision, self.config)

    def _load(self) -> nn.Module:
        import torch
        from transformers import AutoModel

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            body, loading_info = self.pretrained(AutoModel, **self.packed())
        require_whole(self.folder, self.config, loading_info)
        return quantisation.keep_as_packed(body.eval()) if self.quantization else body.eval()

    def packed(self, outside: Sequence[str] = ()) -> dict[str, Any]:
        """Return options for :meth:`pretrained` that pack the linear layers, but those ``outside`` the transformer.

        There are none where the backbone is not quantised.
        """
        if not self.quantization:
            return {}
        return {"quantization_config": quantisation.packing(self.quantization, outside), "device_map": {"": "cpu"}}

    def pretrained(self, loader: Any, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Return the weights in float32 as a model of the class that ``loader`` picks, and transformers' report.

        The report names ``missing_keys`` and ``unexpected_keys`` of the checkpoint.

        Args:
            loader: ``AutoModel`` or a class like it.
            options: for its ``from_pretrained``.

        Raises:
            InputError: the weights cannot be opened, hold NaN or infinity, or do not have the sizes that the config
                describes.
        """
        import torch

        require_described(self.folder, self.config)
        require_numbers(self.folder)
        with opening("the model", str(self.folder), BROKEN), quietly(), read_by_all():
            model, loading_info = loader.from_pretrained(
                self.folder,
                config=copy.deepcopy(self.config),
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
                **options,
            )
        require_read(self.folder, model)
        return model, loading_info

    def require_length(self, tokens: int, where: str | None = None, virtual: int = 0) -> None:
        """Make sure that texts of ``tokens`` tokens fit the model, with ``virtual`` tokens of a method before each.

        Raises:
            InputError: its positions end before that.
        """
        room = positions(self.config)
        longest = min(self.tokenizer.model_max_length, tokens if room is None else room - virtual)
        if tokens > longest:
            before = f" after {virtual} virtual tokens" if virtual else ""
            raise InputError(
                f"max_length {tokens} is more than {self.name!r} can read{before}",
                where=where,
                hint=f"It has room for {max(longest, 0)} tokens of a text{before}.",
            )


def _embedding_count(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> int:
    """Return how many tokens the model has embeddings of."""
    count: int = getattr(config, "vocab_size", tokenizer.vocab_size)
    return count


def _require_usable(tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig) -> None:
    """Raise ValueError, or what the tokenizer raises, where texts cannot be read as tokens that the model has."""
    if tokenizer.pad_token_id is None:
        raise ValueError("it has neither a padding token nor an end token")
    words, embeddings = tokenizer.vocab_size, _embedding_count(tokenizer, config)
    last = max([words - 1, *(token for token in tokenizer.all_special_ids if token is not None)])
    if last >= embeddings:
        raise ValueError(f"its tokens have numbers up to {last}, but the model has only {embeddings} embeddings")
    tokenizer([TRIED, ""])  # raises where words that it does not know have no token
    longest = tokenizer.model_max_length
    if isinstance(longest, bool) or not isinstance(longest, int | float) or not longest >= 1:
        raise ValueError(f"model_max_length: {longest!r} is not a length")
