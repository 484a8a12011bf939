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
# the day for every template, since prompts may not depend on it: 26 July 2024, the default of Llama 3's own template
TODAY = {"%d": "26", "%-d": "26", "%m": "07", "%-m": "7", "%Y": "2024", "%y": "24", "%j": "208", "%F": "2024-07-26"}
TODAY |= {"%b": "Jul", "%B": "July", "%a": "Fri", "%A": "Friday"}
TODAY |= {"%H": "00", "%I": "12", "%p": "AM", "%M": "00", "%S": "00", "%T": "00:00:00"}
CLOCK = "strftime_now"  # the function by which templates ask for the date
STOPPED = (  # Jinja that defines it anew; transformers 5 passes no functions to a template
    f"{{%- macro {CLOCK}(form) -%}}"
    f"{{{{- form{''.join(f'.replace({code!r}, {text!r})' for code, text in TODAY.items())} -}}}}{{%- endmacro -%}}"
)


def prompt(text: str, tokenizer: PreTrainedTokenizerBase, shown: Demonstrations = ()) -> str:
    """Return ``text`` as the model reads it, up to where its answer begins; special tokens are part of the string.

    With a chat template that is a user's message and the opening of the assistant's turn, the template's own system
    message included; a template that writes the date writes 26 July 2024. Without a template it is the
    beginning-of-text token (where there is one), the text, and a line break.
    What is ``shown`` comes first: turns of their own, or paragraphs of text and answer.
    """
    if tokenizer.chat_template:
        pairs = [
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in shown
        ]
        turns = [*chain.from_iterable(pairs), {"role": "user", "content": text}]
        return _rendered(turns, tokenizer, add_generation_prompt=True)
    before = "".join(f"{question}\n{answer}\n\n" for question, answer in shown)
    return f"{tokenizer.bos_token or ''}{before}{text}\n"


def end_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends an answer: what the chat template puts after it, else the end-of-text token.

    White space between an answer and its end is not the end; a line break is, where nothing comes after it.

    Raises:
        InputError: there is neither.
    """
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": REPLY}]
        rest = _rendered(turns, tokenizer).partition(REPLY)[2]
        texts = {
            int(token): tokenizer.decode([token]) for token in tokenizer(rest, add_special_tokens=False)["input_ids"]
        }
        written = [token for token, text in texts.items() if text.strip()]
        line_breaks = [token for token, text in texts.items() if "\n" in text]
        if ends := written + line_breaks:
            return ends[0]
    if tokenizer.eos_token_id is None:
        raise InputError(
            "this backbone's tokenizer has no token that ends a text",
            hint="Set eos_token in its tokenizer_config.json; an answer that never ends cannot be learned.",
        )
    return int(tokenizer.eos_token_id)


def _rendered(turns: list[dict[str, str]], tokenizer: PreTrainedTokenizerBase, **options: bool) -> str:
    template = tokenizer.get_chat_template()
    template = STOPPED + template if CLOCK in template else template
    text: str = tokenizer.apply_chat_template(turns, chat_template=template, tokenize=False, **options)
    return text
