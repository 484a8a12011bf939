"""How an instruction is put to a causal language model, and which token ends the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.confined import NoAnswerError, ask
from adapter_workbench.workbench.backbone.tokenizing import texts_of, tokenise
from adapter_workbench.workbench.errors import InputError, reason

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.answer_options import Turn

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
AT_ONCE = 250  # chats that are rendered in one question
SECONDS = 2.0  # of processor time for them, and a hundredth for each
TEMPLATE_HINT = (
    "It came with the tokenizer (chat_template.jinja, or chat_template in tokenizer_config.json). Correct it there, or "
    "delete it: a prompt is then the text and a line break."
)


def prompts(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    shown: Demonstrations = (),
    earlier: Sequence[Sequence[Turn]] = (),
) -> list[str]:
    """Return each text as the model reads it, up to where its answer begins; special tokens are part of the string.

    With a chat template that is a user's message and the opening of the assistant's turn, the template's own system
    message included; a template that writes the date writes 26 July 2024. Without a template it is the
    beginning-of-text token (where there is one), the text, and a line break.
    What is ``shown`` comes first: turns of their own, or paragraphs of text and answer. Then come the ``earlier`` turns
    of each text, if there are any of some text.

    Raises:
        InputError: the template fails, takes too long, or writes nothing or too much; or there is none for turns.
    """
    turns = earlier or [()] * len(texts)
    if tokenizer.chat_template:
        pairs = [
            [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in shown
        ]
        first = [*chain.from_iterable(pairs)]
        chats = [
            [*first, *map(dict, before), {"role": "user", "content": text}]
            for before, text in zip(turns, texts, strict=True)
        ]
        return render(chats, tokenizer, add_generation_prompt=True)
    if any(turns):
        raise InputError("this backbone has no chat template: send one message, of the user")
    before = "".join(f"{question}\n{answer}\n\n" for question, answer in shown)
    return [f"{tokenizer.bos_token or ''}{before}{text}\n" for text in texts]


def end_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the token that ends an answer: what the chat template puts after it, else the end-of-text token.

    White space between an answer and its end is not the end; a line break is, where nothing comes after it.

    Raises:
        InputError: there is neither, or as :func:`prompts`.
    """
    if tokenizer.chat_template:
        turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": REPLY}]
        rest = render([turns], tokenizer)[0].partition(REPLY)[2]
        tokens = [int(token) for token in tokenise(tokenizer, rest, add_special_tokens=False)["input_ids"]]
        texts = dict(zip(tokens, texts_of(tokenizer, [[token] for token in tokens]), strict=True))  # a token → its text
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


def end_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Return the tokens at which a generated answer stops: :func:`end_token`, and the end-of-text token.

    An answer that is learned here ends with the first. Other trainers, TRL among them, teach the end-of-text token,
    whatever the chat template writes.

    Raises:
        InputError: as :func:`end_token`.
    """
    end, end_of_text = end_token(tokenizer), tokenizer.eos_token_id
    return (end,) if end_of_text in (None, end) else (end, int(end_of_text))


def render(chats: list[list[dict[str, str]]], tokenizer: PreTrainedTokenizerBase, **options: bool) -> list[str]:
    """Return what ``apply_chat_template`` returns, from a process that a template cannot keep busy for ever.

    Args:
        chats: each a list of turns with ``role`` and ``content``.
        tokenizer: with the template.
        options: further names that the template may use.

    Raises:
        InputError: the template fails, takes too long, or writes nothing or too much.
    """
    where = str(tokenizer.name_or_path) or None
    try:
        template = tokenizer.get_chat_template()
        template = STOPPED + template if CLOCK in template else template
        texts = [*chain.from_iterable(_parts(template, chats, {**tokenizer.special_tokens_map, **options}))]
    except (NoAnswerError, ValueError, TypeError) as error:  # transformers: of several templates, none is the default
        raise InputError(f"the chat template fails: {reason(error)}", where=where, hint=TEMPLATE_HINT) from None
    if not all(map(str.strip, texts)):
        raise InputError("the chat template writes an empty prompt", where=where, hint=TEMPLATE_HINT)
    return texts


def _parts(template: str, chats: list[list[dict[str, str]]], options: dict[str, Any]) -> Iterator[list[str]]:
    for first in range(0, len(chats), AT_ONCE):
        some = chats[first : first + AT_ONCE]
        yield ask("render", SECONDS + len(some) / 100, template=template, chats=some, options=options)
