"""plain: some of the backbone's own parameters are trained; a method's configuration says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from adapter_workbench.workbench.backbone.architecture import UNREAD
from adapter_workbench.workbench.backbone.model_folder import INDEX, WEIGHTS, weight_files
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.methods.libraries._places import require_apart, require_none_left

FILE = WEIGHTS


class Plain:
    """Trains parameters in place. ``config`` is a predicate on parameter names.

    Where only some are trained, the body remembers what they were (``pretrained``), so that they can be put back.
    """

    calls_layers = True

    def attach(self, body: Any, config: Callable[[str], bool]) -> nn.Module:
        """Mark the parameters that the predicate picks as trainable, and no others."""
        for name, parameter in body.named_parameters():
            parameter.requires_grad = config(name)
        if not _is_whole(body):
            body.pretrained = {
                name: parameter.detach().clone() for name, parameter in _trained_parameters(body).items()
            }
        model: nn.Module = body
        return model

    def save(self, body: Any, folder: Path) -> None:
        """Write what is trainable; a wholly trained model is saved as transformers saves it."""
        if _is_whole(body):
            with quietly():
                body.save_pretrained(folder)
        elif trained := _trained_parameters(body):
            save_file({name: parameter.detach().contiguous() for name, parameter in trained.items()}, folder / FILE)

    def load(self, body: nn.Module, folder: Path, config: Callable[[str], bool]) -> nn.Module:
        """Copy the stored parameters over ``body``'s own.

        Raises:
            ValueError: a trained one is missing, or one is there that is not trained.
        """
        body = self.attach(body, config)
        trained = {id(parameter) for parameter in _trained_parameters(body).values()}
        others = [name for name, tensor in body.state_dict(keep_vars=True).items() if id(tensor) not in trained]
        missing = {name for name in _trained_parameters(body) if not name.startswith(UNREAD)}
        for file in _files(folder):
            stored = load_file(file)
            if not _is_whole(body):  # one that is has buffers too
                require_apart(stored, others)
            absent, unexpected = body.load_state_dict(stored, strict=False)
            missing &= {*absent}
            require_none_left(unexpected)
        if missing:
            raise ValueError(f"the weights of {min(missing)} are missing")
        return body

    @torch.no_grad()
    def detach(self, body: Any) -> nn.Module:
        """Put the pretrained values back; a body that was trained whole is returned as it is."""
        for name, value in getattr(body, "pretrained", {}).items():
            body.get_parameter(name).copy_(value)
        model: nn.Module = body
        return model


def _files(folder: Path) -> list[Path]:
    """Return the files with what is trained; there are none where nothing is."""
    return weight_files(folder) if any((folder / name).is_file() for name in (FILE, INDEX)) else []


def _trained_parameters(body: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in body.named_parameters() if parameter.requires_grad}


def _is_whole(body: nn.Module) -> bool:
    return all(parameter.requires_grad for parameter in body.parameters())


LIBRARY = Plain()
