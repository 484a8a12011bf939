"""What the numbers and names may be that a person sets: wide enough for any use, and no more than a machine takes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from adapter_workbench.workbench.errors import InputError

LARGEST_SEED = 2**32 - 1  # numpy's global generator takes no other
LONGEST_NAME = 100  # file systems take 255 bytes, and names get prefixes and digests
LONGEST_LABEL = 80
MOST_EXAMPLES = 1_000_000_000
FEWEST_TOKENS, MOST_TOKENS = 4, 1_000_000  # of a text


def _label(text: str) -> str:
    if not text.strip() or text != text.strip():
        raise ValueError("a label may not begin or end with a space")
    if len(text) > LONGEST_LABEL:
        raise ValueError(f"a label may have at most {LONGEST_LABEL} characters, not {len(text):,}")
    if not text.isprintable():
        raise ValueError("a label may only have characters that can be printed")
    if "/" in text or "\\" in text:
        raise ValueError("a label may not have a slash: it names runs and files")
    return text


Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
LearningRate = Annotated[float, Field(gt=0, le=100)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=LONGEST_NAME)]
Label = Annotated[str, AfterValidator(_label)]
Count = Annotated[int, Field(ge=1, le=MOST_EXAMPLES)]  # of examples
Tokens = Annotated[int, Field(ge=FEWEST_TOKENS, le=MOST_TOKENS)]  # of a text
Whole = Annotated[int, Field(ge=1, le=1_000_000)]  # of steps, or a factor without a fraction
BatchSize = Annotated[int, Field(ge=1, le=100_000)]
Size = Annotated[int, Field(ge=1, le=4096)]  # of a rank, a prefix, a layer: memory grows with it
Dropout = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, le=1e6)]
Reduction = Annotated[float, Field(ge=1 / 64, le=1e6)]  # hidden size ÷ this is a size
Density = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e12)]  # of a penalty
Points = Annotated[float, Field(ge=0, le=1000)]  # of a score: a share loses at most 100 of them, an R² may lose more
Scale = Annotated[float, Field(ge=-1e6, le=1e6)]


def require_seed(seed: int) -> int:
    """Return ``seed``, where it is one that every library takes.

    Raises:
        InputError: it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {seed!r}", where="--seed")
    return seed
