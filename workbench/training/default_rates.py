"""The learning rate of a method where nobody gives one: its card's, made to fit what the backbone is, and how large.

The rates on the cards were chosen by single-task validation on a small encoder (docs/evidence/learning-rates.md).
Backbones that generate text, which is to say causal language models and encoder-decoders, bear less, and less the
larger they are. Of a card's rate they get:

parameters      added weights    own weights
under 300 M     2/5              1               what the recipes ``reasoning-3`` and ``flan-t5`` have
from 300 M on   1/25             1/10            LoRA 2e-4, full 2e-5, BitFit 1e-3
from 30 B on    1/50             1/20            LoRA 1e-4

LoRA: 2e-4 for GPT-2 and GPT-3 (Hu et al. 2021, arXiv:2106.09685, tables 11 and 12), 2e-4 up to 13 B and 1e-4 for 33 B
and 65 B (Dettmers et al. 2023, arXiv:2305.14314, table 9). The same table 12 has 1.6e-3 for BitFit and 5e-6 for all
weights of GPT-3. The other methods follow by the same share; nobody measured them here. Where nothing in the body is
trained (``head``), the card's rate stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from adapter_workbench.workbench.backbone.architecture import is_causal, is_seq2seq, skeleton
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.settings.base import MethodSettings

SettingsT = TypeVar("SettingsT", bound="MethodSettings")

SHARES = (  # parameters from which on it holds, largest first → share for added weights, for the backbone's own
    (30e9, 1 / 50, 1 / 20),
    (300e6, 1 / 25, 1 / 10),
    (0, 2 / 5, 1.0),
)


def default_rate(method: str, config: PretrainedConfig) -> float | None:
    """Return the learning rate of ``method`` on a backbone with this config; None where nothing is trained."""
    card = METHODS.get(method)
    own = card.default_rate
    if own is None or not card.trains_body or not (is_causal(config) or is_seq2seq(config)):
        return own
    size = sum(parameter.numel() for parameter in skeleton(config).parameters())
    added, in_place = next(shares for least, *shares in SHARES if size >= least)
    return float(f"{own * (in_place if card.library == 'plain' else added):.2g}")


def at_default_rate(method: str, settings: SettingsT, config: PretrainedConfig) -> SettingsT:
    """Return ``settings`` with the learning rate that fits the backbone, where they were made without one."""
    rate = default_rate(method, config)
    if rate is None or "learning_rate" in settings.model_fields_set or rate == settings.learning_rate:
        return settings
    return settings.model_copy(update={"learning_rate": rate})
