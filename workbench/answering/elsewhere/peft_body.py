"""What an adapter of peft puts on the transformer, in the form in which a library loads it here without a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere import peft_config
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import double_rank, join_start
from adapter_workbench.workbench.answering.elsewhere.peft_weights import as_stored, of_one_prompt, projections
from adapter_workbench.workbench.backbone.architecture import normalisations
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries.plain import FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from adapter_workbench.workbench.answering.elsewhere.peft_program import Program
    from adapter_workbench.workbench.backbone.pretrained import Backbone

NORMS = "LN_TUNING"
TUNED = ".ln_tuning_layers."  # between a normalisation layer and its tuned gain or bias


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
