"""Regular expressions of published tokenizers: no text makes one of these give up, and none matches an empty text.

Texts of a tokenizer whose expressions are all among these need no trial of their own. One that is missing costs time.
"""

from __future__ import annotations

CONTRACTIONS = "'s|'t|'re|'ve|'m|'ll|'d"
ANY_CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
KNOWN = {
    rf"{CONTRACTIONS}| ?\p{{L}}+| ?\p{{N}}+| ?[^\s\p{{L}}\p{{N}}]+|\s+(?!\S)|\s+",  # GPT-2
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{REST}",  # GPT-4, Llama 3
    rf"{ANY_CASE}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{REST}",  # Qwen 2 and 3
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ANY_CASE}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ANY_CASE}?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # GPT-4o, Llama 4
    rf"<\|startoftext\|>|<\|endoftext\|>|{CONTRACTIONS}|[\p{{L}}]+|[\p{{N}}]|[^\s\p{{L}}\p{{N}}]+",  # CLIP
    r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM
    r"\p{N}{1,3}",  # DeepSeek
    r"[一-龥぀-ゟ゠-ヿ]+",  # DeepSeek
    r" {2,}",  # T5, XLM-R and others of sentencepiece
    r"\s+",
    r"\s",
    r"\d",
}
REPEATING = "*+{?"  # without one of these, an expression has nothing that it could try in many ways


def is_known(pattern: str) -> bool:
    """Return whether no text can make the expression give up."""
    return pattern in KNOWN or not any(sign in pattern for sign in REPEATING)
