"""commands: command lines with hostile words in them; none gets as far as training."""

from __future__ import annotations

from random import Random

from tests.fuzzing.promises import require_promises
from tests.fuzzing.sites import Site
from tests.fuzzing.values import shell_word

COMMANDS = [
    ("tasks", "show", "{}"),
    ("tasks", "check", "{}"),
    ("tasks", "new", "{}", "--from", "{}"),
    ("train", "animals", "--method", "no-{}"),
    ("train", "no-{}", "--method", "lora"),
    ("train", "animals", "--method", "lora", "--seed", "{}", "--backbone", "minilmm"),
    ("train", "animals", "--method", "lora", "--backbone", "no-{}"),
    ("train", "animals", "--method", "lorra", "--set", "{}={}"),
    ("train", "animals", "--method", "lora", "--set", "no.such.key={}"),
    ("compare", "animals", "--methods", "{}", "--seeds", "{}", "--set", "budget.no={}"),
    ("fuse", "animals", "--from", "no-{}", "--method", "{}"),
    ("predict", "no-{}", "{}"),
    ("predict", "router:{}", "{}"),
    ("predict", "none", "--file", "{}", "--column", "{}", "--out", "{}"),
    ("adapters", "show", "{}"),
    ("adapters", "remove", "{}"),
    ("adapters", "export", "{}", "{}"),
    ("adapters", "import", "{}"),
    ("report", "{}", "--html", "{}"),
    ("run", "{}", "--dry-run"),
    ("run", "stream.yaml", "--dry-run", "--set", "{}={}"),
    ("run", "stream.yaml", "--dry-run", "--set", "budget.{}={}"),
    ("run", "stream.yaml", "--dry-run", "--set", "strategies.isolated.{}={}"),
    ("plan", "--model-config", "{}", "--method", "{}"),
    ("plan", "--model-config", "model", "--method", "lora", "--set", "rank={}", "--max-length", "{}"),
    ("recipes", "show", "{}"),
    ("recipes", "check", "{}"),
    ("no-{}",),
]


def case(site: Site, random: Random) -> bool:
    """Call a command."""
    site.model("bert")
    words = [word.format(*(shell_word(random) for _ in range(word.count("{}")))) for word in random.choice(COMMANDS)]
    return not require_promises(site.folder, *words).code
