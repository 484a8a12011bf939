"""Tokens become text as they come: each part once, and nothing that a further token changes."""

from __future__ import annotations

from threading import Thread
from typing import Any

import torch

from workbench.measures.streaming import Words, heard_by, tell


class Bytes:
    """A tokenizer whose tokens are bytes; 0 is the end token."""

    def decode(self, tokens: Any, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return bytes(token for token in tokens.tolist() if token).decode(errors="replace")


def parts(text: bytes) -> list[str]:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append)  # type: ignore[arg-type]
    for length in range(len(text) + 1):
        words(torch.tensor([list(text[:length])]))
    return pieces


def test_characters_of_several_tokens_and_spaces_around_wait() -> None:
    assert parts(" né o ".encode()) == ["n", "é", " o"]
    assert parts(b"a\0") == ["a"], "the end token is no text"


def test_an_answer_that_begins_again_is_not_told_again() -> None:
    pieces: list[str] = []
    words = Words(Bytes(), pieces.append)  # type: ignore[arg-type]
    for text in (b"a", b"ab", b"a", b"ab", b"abc", b"x"):
        words(torch.tensor([list(text)]))
    assert pieces == ["a", "b", "c"], "nor is another one"


def test_only_its_own_thread_is_heard() -> None:
    heard: list[list[list[int]]] = []
    with heard_by(lambda tokens: heard.append(tokens.tolist())):
        tell(torch.tensor([[1]]))
        other = Thread(target=tell, args=[torch.tensor([[2]])])
        other.start()
        other.join()
    tell(torch.tensor([[3]]))
    assert heard == [[[1]]]
