"""The numbers of docs/explanations/cost.md: formulas, and what was measured but is kept in no file."""

from __future__ import annotations

STATED = [
    "linear layers of a quantised backbone 4.127 bits (nf4, double quantisation)",
    "with `optimizer: adamw-8bit` 2.03 a number",
    "is predicted to take 43.8 GB with it",
    "(0.4 to 2.7 % of the tokens of three reasoning tasks)",  # measured on 2026-11-27
    "`plan` prints 25 % for it",  # 21 to 32 % were measured on 2026-11-25
]


def pieces() -> list[str]:
    """Return nothing: no file gives these numbers."""
    return []
