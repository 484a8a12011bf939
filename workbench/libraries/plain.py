"""plain: some of the backbone's own parameters are trained; a method's configuration says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

FILE = "model.safetensors"


class Plain:
    """Trains parameters in place. ``config`` is a predicate on parameter names."""

    def attach(self, body: nn.Module, config: Callable[[str], bool]) -> nn.Module:
        """Mark the parameters that the predicate picks as trainable, and no others."""
        for name, parameter in body.named_parameters():
            parameter.requires_grad = config(name)
        return body

    def save(self, body: nn.Module, folder: Path) -> None:
        """Write what is trainable; a wholly trained model is saved as transformers saves it."""
        trained = {name: each.detach().contiguous() for name, each in body.named_parameters() if each.requires_grad}
        if len(trained) == len(list(body.parameters())):
            body.save_pretrained(folder)  # type: ignore[operator]  # every backbone is a PreTrainedModel
        elif trained:
            save_file(trained, folder / FILE)

    def load(self, body: nn.Module, folder: Path, config: Callable[[str], bool]) -> nn.Module:
        """Copy the stored parameters over ``body``'s own."""
        if (folder / FILE).is_file():
            body.load_state_dict(load_file(folder / FILE), strict=False)
        return self.attach(body, config)

    def detach(self, body: nn.Module) -> nn.Module:
        """Return the body: nothing was put on it."""
        return body


LIBRARY = Plain()
