"""peft: low-rank and other reparametrised updates (https://huggingface.co/docs/peft)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def host(self, body: Any, folder: Path, name: str) -> nn.Module:
        """Return the wrapped body with one more adapter; all of them have to be of one method."""
        from peft import PeftModel

        model: nn.Module = body
        if isinstance(body, PeftModel):
            body.load_adapter(str(folder), name)
        else:
            model = PeftModel.from_pretrained(body, folder, name)
        return model

    def switch(self, body: Any, name: str) -> None:
        """Make one hosted adapter the active one."""
        body.set_adapter(name, inference_mode=True)

    def mixes(self, body: Any) -> bool:
        """Return whether all are LoRAs; of these, DoRA's magnitudes are not applied row by row."""
        from peft import PeftType

        return all(config.peft_type == PeftType.LORA and not config.use_dora for config in body.peft_config.values())

    def mix(self, body: nn.Module, names: Sequence[str]) -> Mapping[str, Any]:
        """Return ``adapter_names``, which peft's forward pass takes."""
        return {"adapter_names": list(names)}

    def detach(self, body: Any) -> nn.Module:
        """Return the bare body; the update is dropped, not merged."""
        bare: nn.Module = body.unload()
        return bare

    def merge(self, body: Any) -> nn.Module | None:
        """Return the bare body with W + ΔW for each W; None for prompts, which are no update of weights."""
        return body.merge_and_unload() if hasattr(body, "merge_and_unload") else None


LIBRARY = Peft()
