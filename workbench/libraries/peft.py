"""peft: low-rank and other reparametrised updates (https://huggingface.co/docs/peft)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn


class Peft:
    """Wraps the body in a ``PeftModel`` with one adapter called ``default``."""

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return the wrapped body."""
        from peft import get_peft_model

        model: nn.Module = get_peft_model(body, config)
        return model

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter_model.safetensors``."""
        body.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return the wrapped body with the stored weights; the stored configuration rules."""
        from peft import PeftModel

        model: nn.Module = PeftModel.from_pretrained(body, folder, is_trainable=True)
        return model

    def detach(self, body: Any) -> nn.Module:
        """Return the bare body; the update is dropped, not merged."""
        bare: nn.Module = body.unload()
        return bare

    def merge(self, body: Any) -> nn.Module | None:
        """Return the bare body with W + ΔW for each W; None for prompts, which are no update of weights."""
        return body.merge_and_unload() if hasattr(body, "merge_and_unload") else None


LIBRARY = Peft()
