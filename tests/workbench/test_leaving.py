"""Rows that leave a batch take nothing from those that stay: all get the tokens that they get where nobody leaves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from workbench.backbone import leaving
from workbench.backbone.generation import generate

LIMITS = (1, 7, 2, 2, 12, 3, 5)  # of new tokens, of each row
LENGTHS = (3, 9, 4, 4, 6, 2, 9)  # of prompts


@pytest.mark.parametrize("leaves", [True, False])
def test_rows_that_leave_change_nothing_for_the_others(
    leaves: bool, llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = AutoModelForCausalLM.from_pretrained(llama).eval()
    ids = torch.randint(5, 25, (7, 9), generator=torch.Generator().manual_seed(0))
    mask = (torch.arange(9) >= 9 - torch.tensor(LENGTHS)[:, None]).long()
    sizes: list[int] = []
    told: list[list[int]] = []
    lm.base_model.register_forward_hook(lambda _, __, output: sizes.append(len(output.last_hidden_state)))

    def ended(tokens: torch.Tensor) -> torch.Tensor:
        return torch.tensor(LIMITS) <= tokens.shape[1]

    def stay(rows: Sequence[int]) -> list[int]:
        told.append([*rows])
        return [*range(len(rows))][::-1]  # who is told may want another order

    if not leaves:
        monkeypatch.setattr(leaving, "_can_leave", lambda _: False)
    with torch.inference_mode():
        wanted, likely = generate(lm, ids, mask, 12, (0,), 1)
        sizes.clear()
        tokens, likelihoods = leaving.generate_leaving(lm, ids, mask, 12, (0,), 1, ended, stay)
    for row, limit in enumerate(LIMITS):
        assert tokens[row, :limit].tolist() == wanted[row, :limit].tolist()
        torch.testing.assert_close(likelihoods[row, :limit], likely[row, :limit])
    if leaves:
        # after 3 tokens 4 of 7 rows have ended; those left stand in reverse; after 7 tokens 2 of them have
        assert told == [[1, 4, 6], [4]]
        assert sizes == [7] * 3 + [3] * 4 + [1] * 5
