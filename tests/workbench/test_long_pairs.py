"""Pairs of long texts get the tokens that a tokenizer alone would give them, without what it makes of the rest."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from adapter_workbench.workbench.backbone import long_pairs
from adapter_workbench.workbench.backbone.long_pairs import shortened
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS

WORDS = ("dog", "cat", "horse", "an", "apple", "ø", "quickly.", "pear-tree", "x" * 40, "\n", "  ")


def texts(count: int, most: int, seed: int) -> list[str]:
    """Return texts of up to so many words; some of them have no spaces."""
    drawn = random.Random(seed)
    return [drawn.choice([" ", ""]).join(drawn.choices(WORDS, k=drawn.randrange(most))) for _ in range(count)]


def windows(encodings: Any) -> int:
    """Return how many encodings a tokenizer made of what it cut off."""
    return sum(len(encoding.overflowing) for encoding in encodings.encodings)


@pytest.mark.parametrize("max_length", [8, 9, 16, 33])
@pytest.mark.parametrize("architecture", ["bert", "llama", "t5"])
def test_the_tokens_of_a_pair_stay_as_they_are(
    architecture: str, max_length: int, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(architecture)
    tokenizer = open_backbone(str(folder)).tokenizer
    first = [*texts(40, 60, 1), *texts(20, 400, 2)]
    second = [*texts(40, 60, 3), *texts(10, 5, 4), *texts(10, 400, 5)]
    second[:3] = first[:3]  # as long as each other
    second[-5:] = first[-5:]

    def tokens(*pairs: list[str]) -> dict[str, Any]:
        return dict(tokenise(tokenizer, *pairs, truncation=True, max_length=max_length))

    assert tokens(*shortened(tokenizer, first, second, max_length)) == tokens(first, second)


@pytest.mark.parametrize("between", [" ", ","])
@pytest.mark.parametrize("more", ["", "!", "-"])
def test_few_windows_are_left_of_long_texts(backbone: Backbone, between: str, more: str) -> None:
    """Also of texts that are as long as each other, and of those without a space."""
    tokenizer, long = backbone.tokenizer, between.join(["dog"] * 500)
    pairs, options = ([long], [f"{long}{between}{more}"]), {"truncation": True, "max_length": 16}
    whole = tokenise(tokenizer, *pairs, **options)
    cut = tokenise(tokenizer, *shortened(tokenizer, *pairs, 16), **options)
    assert (windows(whole) > 1000, windows(cut) < 100) == (True, True)
    assert cut["input_ids"] == whole["input_ids"]


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_pair_that_cannot_be_shortened_is_refused_before_it_takes_gigabytes(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    monkeypatch.setattr(backbone.tokenizer, "truncation_side", side)
    if side == "right":
        monkeypatch.setattr(long_pairs, "_are_read_alike", lambda *_: False)
    long = "dog " * 5000
    with pytest.raises(InputError, match=r"two texts of 20,000 and 20,000 characters cannot be cut to 16 tokens"):
        shortened(backbone.tokenizer, [long], [long], 16)


def test_texts_that_are_cut_at_their_beginning_stay_as_they_are(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = ([" ".join(["dog"] * 500)], [" ".join(["cat"] * 400)])
    assert shortened(backbone.tokenizer, *pair, 16) != pair
    monkeypatch.setattr(backbone.tokenizer, "truncation_side", "left")
    assert shortened(backbone.tokenizer, *pair, 16) == pair


def test_questions_of_pairs_are_made_of_shortened_texts(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    cut: list[str] = []
    real = long_pairs._cut
    monkeypatch.setattr(long_pairs, "_cut", lambda text, *rest: cut.append(text) or real(text, *rest))
    rows = Dataset.from_dict({"text": [" ".join(["dog"] * 500)], "text_pair": ["cat"]})
    (question,) = KINDS.get("classification").questions(rows, backbone.tokenizer, 16)
    assert len(question["input_ids"]) == 16
    assert cut


def test_pairs_among_single_texts_are_shortened_too(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    pair, alone = (" ".join(["dog"] * 500), " ".join(["cat"] * 400)), "an apple"
    tokenizer, options = backbone.tokenizer, {"truncation": True, "max_length": 16}
    wanted = [tokenise(tokenizer, *texts, **options)["input_ids"] for texts in (pair, (alone,))]
    cut: list[str] = []
    real = long_pairs._cut
    monkeypatch.setattr(long_pairs, "_cut", lambda text, *rest: cut.append(text) or real(text, *rest))
    rows = Dataset.from_dict({"text": [pair[0], alone], "text_pair": [pair[1], None]})
    questions = KINDS.get("classification").questions(rows, tokenizer, 16)
    assert [question["input_ids"] for question in questions] == wanted
    assert cut
