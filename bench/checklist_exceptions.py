"""What of the shipped recipes and of their stored reports does not pass the referee's checklist, and why.

The page "How to read a report" has the same list. An entry goes when its report is run anew, or its recipe is mended.
"""

from __future__ import annotations

from adapter_workbench.experiments.studies.core.checklist import FAMILY, FROZEN, GRID, ONE_THING, SEEDS

BEFORE_AGAINST = "It was run before its recipe named the control of each entry."
BEFORE_WIDENING = "It was run before grids were widened."
BEFORE_ONCE = "It was made before identical tests counted once."
WHOLE = "Two whole ways are compared: which of the two things makes a difference, it does not say."
ONE_SEED = "One seed: it shows, and tests nothing."
PROTOCOL = "One seed of a protocol on a large model. Name more with `--set seeds`."
TWO_SEEDS = "Two seeds keep it short. They give one degree of freedom, with which a paired test finds little."
SCREEN = "One seed: it is a screen, with a seed that the comparison after it does not use."
NO_PROMPT = "The protocol has no other entry with a prompt, so progressive-prompts has no such control."
GENERATED = "Answers are generated: there is no head to train."
NO_HEAD = "It compares ways to share adapters: whether adapting pays, 20news-10.json says of the same tasks."
FIRST = "It is kept as it was when it was the first look. `quickstart` has one."
OTHER_START = "It compares where LoRAs begin."
KNOWN: dict[str, dict[str, str]] = {
    "20news-10": {SEEDS: f"{TWO_SEEDS} The stored report has five."},
    "20news-10.json": {ONE_THING: BEFORE_AGAINST},
    "20news-10-merged.json": {FROZEN: NO_HEAD},
    "20news-10-tuned.json": {ONE_THING: BEFORE_AGAINST, GRID: BEFORE_WIDENING, FAMILY: BEFORE_ONCE},
    "beginnings.json": {FROZEN: OTHER_START},
    "compare-methods.json": {GRID: BEFORE_WIDENING},
    "flan-glue-8": {FROZEN: GENERATED, SEEDS: PROTOCOL},
    "flan-t5": {ONE_THING: WHOLE, FROZEN: GENERATED, SEEDS: ONE_SEED},
    "headroom": {SEEDS: SCREEN},
    "headroom.json": {SEEDS: SCREEN},
    "headroom-16.json": {SEEDS: SCREEN},
    "headroom-64.json": {SEEDS: SCREEN},
    "hundred-tasks": {ONE_THING: WHOLE, SEEDS: TWO_SEEDS},
    "hundred-tasks.json": {ONE_THING: BEFORE_AGAINST, SEEDS: TWO_SEEDS},
    "hundred-tasks-routed": {SEEDS: TWO_SEEDS},
    "hundred-tasks-routed.json": {FAMILY: BEFORE_ONCE, SEEDS: TWO_SEEDS},
    "long-15": {ONE_THING: NO_PROMPT, SEEDS: PROTOCOL},
    "quickstart": {ONE_THING: WHOLE},
    "quickstart.json": {ONE_THING: WHOLE},
    "quickstart-fp32.json": {ONE_THING: WHOLE},
    "quickstart-8.json": {ONE_THING: WHOLE, FROZEN: FIRST},
    "reasoning-3": {FROZEN: GENERATED, SEEDS: ONE_SEED},
    "reasoning-3.json": {ONE_THING: BEFORE_AGAINST, FROZEN: GENERATED, SEEDS: ONE_SEED},
    "seven-ways": {ONE_THING: WHOLE},
    "seven-ways.json": {ONE_THING: WHOLE},
    "standard-4": {ONE_THING: NO_PROMPT, SEEDS: PROTOCOL},
    "superni-15": {FROZEN: GENERATED, SEEDS: PROTOCOL},
    "three-ways": {ONE_THING: WHOLE, FROZEN: FIRST},
    "three-ways.json": {ONE_THING: WHOLE, FROZEN: FIRST},
    "trace": {FROZEN: GENERATED, SEEDS: PROTOCOL},
}
