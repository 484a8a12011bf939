"""templates: chat templates that raise, loop, grow, write nothing, or are no Jinja."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.prompts import end_token, prompts
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import WorkbenchError
from tests.fuzzing.promises import tried
from tests.fuzzing.sites import Site
from tests.fuzzing.values import damaged, text, value

PUBLISHED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{{ '[INST] ' + message['content'] | trim + ' [/INST]' }}{% endfor %}",
    "{%- set ns = namespace(is_first=false, system_prompt='') -%}{%- for message in messages %}"
    "{%- if message['role'] == 'system' %}{%- set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}"
    "{{ bos_token }}{{ ns.system_prompt }}{{ messages | tojson }}{{ strftime_now('%d %b %Y') }}",
    "{% macro turn(m) %}{% generation %}{{ m.content.split('</think>')[-1] }}{% endgeneration %}{% endmacro %}"
    "{% for m in messages %}{{ turn(m) }}{% if loop.last %}{% break %}{% endif %}{% endfor %}{{ eos_token }}",
)
BOUNDS = ("3", "10**3", "99999", "10**10", "10**100", "-1", "0", "loop.index", "'a'", "none", "[]", "1e308")
PARTS = """\
{{ messages[0].content }}
{{ messages[0].content }}
{{ 'a' * BOUND }}
{{ [0] * BOUND }}
{{ BOUND ** BOUND }}
{% for i in range(BOUND) %}PART{% endfor %}
{% for i in range(BOUND) %}{% for j in range(BOUND) %}{% endfor %}{% endfor %}
{% for c in 'ab' * BOUND %}PART{% endfor %}
{{ '%BOUNDd' % 1 }}
{{ 'x' | center(BOUND) }}
{{ messages | tojson(indent=BOUND) }}
{{ raise_exception(TEXT) }}
{{ raise_exception() }}
{{ messages[BOUND].content }}
{{ messages[0][TEXT] }}
{{ no.such.thing }}
{{ messages.append(1) }}
{{ ''.__class__.__mro__ }}
{{ cycler.__init__.__globals__ }}
{{ lipsum(n=BOUND) }}
{{ messages | batch(BOUND) | list }}
{{ messages | sum }}
{{ (messages | map(TEXT)) | list }}
{% macro f(n) %}{{ f(n) }}PART{% endmacro %}{{ f(1) }}
{% macro g(n) %}{% if n %}{{ g(n - 1) }}{{ g(n - 1) }}{% endif %}{% endmacro %}{{ g(BOUND) }}
{% set ns = namespace(s='ab') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}
{% include TEXT %}
{% import TEXT as t %}
{% extends TEXT %}
{% block a %}PART{% endblock %}
{% raw %}{{ PART }}{% endraw %}
{% if messages[0].content == TEXT %}PART{% endif %}
{{ messages[0].content | replace('', TEXT * BOUND) }}
{{ 7 / 0 }}
{{ TEXT.format(BOUND) }}
{{ '{:BOUND}'.format(1) }}
{{ messages[0].content.encode().decode(TEXT) }}
{% call f() %}PART{% endcall %}
{{ messages | selectattr(TEXT) | list }}
{{ BOUND | int(BOUND) }}
{{ dict(a=BOUND).items() | list }}
{% filter TEXT %}PART{% endfilter %}
{{ namespace(a=1).a.b }}
{% set messages = BOUND %}PART
{% generation %}PART{% endgeneration %}
{% break %}
{% continue %}
{%- if true -%} {%- endif -%}
{# PART #}
{{ TEXT | urlize }}
{{ messages | tojson | striptags }}
{{ strftime_now(TEXT) }}
TEXT
""".splitlines()
TEXTS = ["the cat", "a", "", "  ", "x" * 3000, "{{ messages }}", "\x00\x1b[31m", "é\u202e語"]


def case(site: Site, random: Random) -> bool:
    """Put texts into a template."""
    tokenizer = copy.copy(open_backbone(str(site.model("llama"))).tokenizer)
    tokenizer.chat_template = template(random)
    asked = random.sample(TEXTS, 3)
    shown = (("a", "b"),) if random.random() < 0.2 else ()

    def put() -> None:
        for prompt in prompts(asked, tokenizer, shown):
            assert isinstance(prompt, str)
        assert isinstance(end_token(tokenizer), int)
        tokenise(tokenizer, prompts(asked, tokenizer, shown))

    return not isinstance(tried(put, tokenizer.name_or_path), WorkbenchError)


def template(random: Random) -> Any:
    """Return a template: parts put into one another, a published one that was damaged, or something else."""
    act = random.random()
    if act < 0.1:
        return value(random)
    if act < 0.35:
        whole = random.choice(PUBLISHED).encode()
        return (damaged(random, whole) if random.random() < 0.7 else whole).decode(errors="replace")
    return "".join(_part(random, 3) for _ in range(random.choice([1, 1, 2, 3])))


def _part(random: Random, depth: int) -> str:
    part = random.choice(PARTS)
    while "PART" in part:
        part = part.replace("PART", _part(random, depth - 1) if depth else "", 1)
    while "BOUND" in part:
        part = part.replace("BOUND", random.choice(BOUNDS), 1)
    while "TEXT" in part:
        quoted = repr(text(random)[:300].replace("TEXT", "").encode(errors="replace").decode())
        part = part.replace("TEXT", quoted, 1)
    return part
