"""The class of transformers with a sender's adapter of peft on it; and what is taken over from it.

The body is what the adapter puts on the transformer, in the form in which a library loads it here without a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere import peft_config
from adapter_workbench.workbench.answering.elsewhere.beside_tokenizer import require_same_words
from adapter_workbench.workbench.answering.elsewhere.form import CLOSE, Sender
from adapter_workbench.workbench.answering.elsewhere.model_class import TEXTS
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import (
    KEY,
    double_rank,
    join_start,
    moves_base,
    without_start,
)
from adapter_workbench.workbench.answering.elsewhere.peft_modules import (
    head_of,
    poolers,
    require_named,
    require_own_output,
    trained_modules,
    trained_poolers,
)
from adapter_workbench.workbench.answering.elsewhere.peft_program import (
    open_program,
    require_justified,
    require_modules,
)
from adapter_workbench.workbench.answering.elsewhere.peft_weights import as_stored, of_one_prompt, projections
from adapter_workbench.workbench.answering.elsewhere.sender_class import (
    base_prefix,
    head_modules,
    own_class,
    require_known,
)
from adapter_workbench.workbench.backbone.architecture import normalisations
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.libraries.plain import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from adapter_workbench.workbench.answering.elsewhere.peft_program import Program
    from adapter_workbench.workbench.answering.elsewhere.sender_class import OwnClass
    from adapter_workbench.workbench.backbone.pretrained import Backbone

NORMS = "LN_TUNING"
TUNED = ".ln_tuning_layers."  # between a normalisation layer and its tuned gain or bias
ROUNDED = 1e-4  # W − s B₀ A₀ + s B A and W + s (B A − B₀ A₀) are rounded otherwise in every layer


@dataclass(frozen=True)
class SavedAdapter:
    """What a ``PeftModel`` left in a folder."""

    folder: Path  # where it lies
    config: Mapping[str, Any]  # the whole of its ``adapter_config.json``
    method: str  # what its method is called here
    tensors: Mapping[str, Tensor]  # the weights under the names that they have inside the sender's class

    @property
    def where(self) -> str:
        """The config file, for messages."""
        return str(self.folder / CONFIG)

    @property
    def is_prompt(self) -> bool:
        """Whether it is a prompt, which changes no module."""
        return self.config["peft_type"] in peft_config.PROMPTS


def sender_of(saved: SavedAdapter, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
    """Return the class of transformers with the adapter on it, as peft opens it.

    Each check relies on those before it: first what the files say, while nothing of peft is on the class; then what
    peft makes of them; last whether the transformer alone can have that.

    Args:
        saved: what the files say.
        backbone: the base model.
        kind: of task; None where no head is taken.
        outputs: how many logits there are.

    Raises:
        InputError: a check fails.
    """
    require_same_words(saved.folder, backbone)
    own, prefix = own_class(backbone, kind, outputs), base_prefix(backbone, kind)
    names = [name for name, _ in own.model.named_modules()]  # peft changes them
    inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    pooler = poolers(own.model, prefix) if kind in TEXTS else []
    _require_fitting(saved, own, names)
    program = _opened(saved, own)
    trained, outside = trained_modules(program.model, prefix), head_modules(backbone, kind)
    require_named(trained, inside, saved.where)
    if kind in GENERATED:
        require_own_output(program.model, outside, saved.where)
    config = without_start(saved.config)
    if config["peft_type"] == NORMS:
        body = norms_of(config, program, trained, backbone, saved.where)
    else:
        apart = (*outside, *trained_poolers(program.model, prefix))
        body = body_of(config, program, trained, apart, saved.where)
    return Sender(
        program=program.model,
        settings=peft_config.settings(body.config, saved.method, trained, inside),
        config=body.document,
        write=body.write,
        head=head_of(program.model, (*pooler, *outside)) if kind and kind not in GENERATED else {},
        virtual=config.get("num_virtual_tokens") or 0,
        rounding=ROUNDED if moves_base(saved.config) else CLOSE,
    )


@dataclass(frozen=True)
class Body:
    """An adapter without its head."""

    config: Mapping[str, Any]  # the sender's, of what ``write`` writes: without what says where training began
    document: Mapping[str, Any] | None  # the library's configuration for the transformer alone; None where it has none
    write: Callable[[Path], None]  # writes weights and configuration into a folder


def body_of(
    config: Mapping[str, Any], program: Program, trained: peft_config.TrainedModules, apart: Sequence[str], where: str
) -> Body:
    """Return an adapter's body.

    Args:
        config: the sender's, without what says where training began.
        program: the sender's.
        trained: what it puts on the transformer.
        apart: names of the head's layers inside the sender's class.
        where: the sender's config file.

    Raises:
        InputError: it puts nothing on the transformer.
    """
    tensors = program.tensors
    if program.starts:
        config, tensors = double_rank(config), join_start(tensors, program.starts)
    if not (trained.adapted or trained.parameters) and config["peft_type"] not in peft_config.PROMPTS:
        raise InputError("it adapts only the head, and nothing of the transformer", where=where)
    of_body = peft_config.of_body(config, trained, where)
    inside = as_stored({**projections(program.model), **tensors}, trained.prefix, apart)

    def write(folder: Path) -> None:
        save_file(of_one_prompt(inside, config.get("num_virtual_tokens", 0)), folder / PEFT_WEIGHTS)
        of_body.save_pretrained(str(folder))

    return Body(config, peft_config.document(of_body), write)


def norms_of(
    config: Mapping[str, Any], program: Program, trained: peft_config.TrainedModules, backbone: Backbone, where: str
) -> Body:
    """Return tuned normalisation layers as the method ``ln`` stores them: all of them, untuned ones as they were.

    Args:
        config: the sender's.
        program: the sender's.
        trained: what is tuned.
        backbone: the base model.
        where: the sender's config file.

    Raises:
        InputError: another layer was tuned.
    """
    tuned = {
        name.removeprefix(trained.prefix).replace(TUNED, "."): tensor
        for name, tensor in program.tensors.items()
        if TUNED in name and name.startswith(trained.prefix)
    }
    known = normalisations(backbone.config)
    if other := sorted(tuned.keys() - known):
        raise InputError(f"{other[0]} was trained, and it is not a gain or bias of a normalisation layer", where=where)

    def write(folder: Path) -> None:
        own = {name: weight.detach() for name, weight in backbone.load().named_parameters() if name in known}
        stored: dict[str, Tensor] = {name: tensor.contiguous() for name, tensor in (own | tuned).items()}
        save_file(stored, folder / FILE)

    return Body(config, None, write)


def _require_fitting(saved: SavedAdapter, own: OwnClass, names: Sequence[str]) -> None:
    """Raise InputError where the files are not those of an adapter of this class; nothing of peft is made for it.

    ``names`` are those of the modules of the class.
    """
    require_bounded_patterns(saved.config, names, saved.where)
    if not saved.is_prompt:
        require_modules(own.model, saved.tensors, str(saved.folder / PEFT_WEIGHTS))
    require_known(saved.tensors, own.drawn, str(saved.folder))


def _opened(saved: SavedAdapter, own: OwnClass) -> Program:
    """Return the adapter on its class, which peft changes; raises InputError where that needs too much memory."""
    moving, config = moves_base(saved.config), without_start(saved.config)
    require_justified(own.model, peft_config.sender_config(config, saved.where), saved.tensors, saved.where)
    asked = peft_config.sender_config({**config, KEY: saved.config[KEY]} if moving else config, saved.where)
    return open_program(own.model, saved.folder, asked, saved.tensors, moving)
