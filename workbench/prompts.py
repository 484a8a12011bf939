"""How an instruction is put to a causal language model, and which token ends the answer."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from workbench.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NEW_TOKENS = 32  # how long an answer may get where a row does not say
Demonstrations = tuple[tuple[str, str], ...]  # pairs of text and answer
REPLY = "\N{WHITE SMILING FACE}"  # stands in no template


def prompt(text: str, tokenizer: PreTrainedTokenizerBase, shown: Demonstrations = ()) -> str:
    """Return ``text`` as the model reads it, up to where its answer begins; special tokens are part of the string.

    With a chat template that is a user's message and the opening of the assistant's turn, the template's own system
    message included. Without one it is the beginning-of-text token (where there is one), the text, and a line break.
    What is ``shown`` comes first: turns of their own, or paragraphs of text and answer.
    """
    if tokenizer.chat_template:
        pairs = [
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in shown
        ]
        turns = [*chain.from_iterable(pairs), {"role": "user", "content": text}]
        rendered: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return rendered
    before = "".join(f"{question}\n{answer}\n\n" for question, answer in shown)
    return f"{tokenizer.bos_token or ''}{before}{text}\n"


def end_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends an answer: what the chat template puts after it, else the end-of-text token.

    Raises:
        InputError: there is neither.
    """
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": REPLY}]
        rest = tokenizer.apply_chat_template(turns, tokenize=False).partition(REPLY)[2]
        if ids := tokenizer(rest, add_special_tokens=False)["input_ids"]:
            return int(ids[0])
    if tokenizer.eos_token_id is None:
        raise InputError(
            "this backbone's tokenizer has no token that ends a text",
            hint="Set eos_token in its tokenizer_config.json; an answer that never ends cannot be learned.",
        )
    return int(tokenizer.eos_token_id)
