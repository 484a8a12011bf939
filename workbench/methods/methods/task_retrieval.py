"""LoRA retrieval: several frozen LoRAs, of which each text is answered by those of the tasks that it is most like.

With q the mean of the frozen backbone's last states over the tokens of a prompt, and t_e the mean of such vectors over
examples of the task of LoRA e, every token x of the text is answered by W x + Σ_e c_e ΔW_e x in each matrix, c the
softmax of cos(q, t_e) ÷ ``temperature`` over the ``top_k`` largest. Nothing is trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.methods.libraries.retrieval import RetrievalSettings
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Factor, Size

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class Settings(MethodSettings):
    """How LoRAs are chosen; which there are is what ``workbench fuse`` is given. There is nothing to learn.

    ``weighted: false`` gives each of the ``top_k`` the same weight.
    """

    learning_rate: float = 1.0
    top_k: Size = 3
    temperature: Factor = 0.1
    weighted: bool = True


def configure(settings: Settings, config: PretrainedConfig) -> RetrievalSettings:
    """Return the library's configuration, without any sources yet."""
    return RetrievalSettings(settings.top_k, settings.temperature, settings.weighted)


METHOD = Method(
    title="LoRA retrieval by task",
    paper="Zhao et al. 2024, LoraRetriever, arXiv:2402.09997; Dhasade et al. 2026, LORAUTER, arXiv:2601.21795",
    library="retrieval",
    settings=Settings,
    configure=configure,
    trains=False,
    composed=True,
)
