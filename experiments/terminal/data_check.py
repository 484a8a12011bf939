"""What `workbench tasks check` prints: how many rows of what, how long they are, and what is wrong with them."""

from __future__ import annotations

from typing import Any

from adapter_workbench.experiments.terminal.output import stdout, table

UNKNOWN = 0.05  # share of the tokens; with more, the backbone's vocabulary does not fit the texts


def print_check(report: dict[str, Any], max_length: int) -> None:
    """Print a report of :func:`check`, whose tokens were counted up to ``max_length``."""
    splits, target = report["splits"], _target_of(report)
    stdout.print(f"{report['task']} ({report['kind']}), from {report['origin']}")
    table(
        ["split", "examples", "duplicates"],
        [[name, split["examples"], split["duplicates"]] for name, split in splits.items()],
    )
    if report["labels"]:
        by_label = [[label, *(split["label_counts"][label] for split in splits.values())] for label in report["labels"]]
        table(["label", *splits], by_label)
    elif target == "value":
        numbers = [[name, *(f"{value:.4g}" for value in split["values"].values())] for name, split in splits.items()]
        table(["values", *splits["train"]["values"]], numbers)
    else:
        _print_answers(report)
    if any("tokens" in split for split in splits.values()):
        _print_tokens(splits, max_length)
    _print_faults(report, target)
    constant = "mean" if target == "value" else f"most frequent {target}"
    score = f"an R² of {report['majority']:.3f}" if target == "value" else f"{report['majority']:.1%}"
    stdout.print(f"Always answering train's {constant} scores {score} on test.")


def _print_faults(report: dict[str, Any], target: str) -> None:
    from adapter_workbench.tasks.drafting.check import ids_of
    from adapter_workbench.tasks.rows.cutting import small_splits_sentence

    for pair, shared in report["leakage"].items():
        if shared["count"]:
            first, second = pair.split("/")
            stdout.print(f"Leakage: {shared['count']} rows of {second} stand in {first} too ({ids_of(shared)})")
    for part, fault in (("line_breaks", "have a line break in them"), ("long", _far_longer(report))):
        if (counted := report["texts"][part])["count"]:
            stdout.print(f"Texts: {counted['count']:,} {fault} ({ids_of(counted)})")
    if (counted := report["conflicts"])["count"]:
        ids = ids_of(counted, rows=2)
        stdout.print(f"Conflicts: {counted['count']} texts have several {target}s ({ids})")
    _print_odd_labels(report)
    if small := small_splits_sentence({name: split["examples"] for name, split in report["splits"].items()}):
        stdout.print(f"Too small: {small}")


def _print_odd_labels(report: dict[str, Any]) -> None:
    from adapter_workbench.tasks.rows import hidden_characters, label_spellings

    if spellings := report["spellings"]:
        stdout.print(f"Spelling: {label_spellings.sentence(spellings, report['labels'])}", markup=False)
    if hidden := report["hidden"]:
        stdout.print(f"Hidden: {hidden_characters.sentence(hidden)}", markup=False)


def _far_longer(report: dict[str, Any]) -> str:
    from adapter_workbench.tasks.rows.odd_texts import FAR_LONGER

    return f"are {FAR_LONGER} times as long as most ({report['texts']['median']} characters) or longer"


def _target_of(report: dict[str, Any]) -> str:
    if report["labels"]:
        return "tag" if report["kind"] == "token-classification" else "label"
    return "answer" if "metric" in report else "value"


def _print_answers(report: dict[str, Any]) -> None:
    stdout.print(f"Answers of up to {report['max_new_tokens']} tokens, scored by {report['metric']}.")
    rows = []
    for name, split in report["splits"].items():
        frequent = ", ".join(f"{answer!r} {count}" for answer, count in split["answers"]["most_frequent"].items())
        rows.append([name, split["answers"]["distinct"], frequent])
    table(["split", "distinct answers", "most frequent"], rows)


def _print_tokens(splits: dict[str, Any], max_length: int) -> None:
    wanted = {"p50": "p50", "p90": "p90", "p99": "p99", "max": "max", "cut": f"over {max_length}"}
    if "answer_max" in splits["train"]["tokens"]:
        wanted |= {"cut": "prompts cut", "answer_max": "longest answer", "answers_cut": "answers cut"}
    wanted |= {"unknown": "unknown"}
    rows = [
        [name, *(f"{value:.1%}" if isinstance(value := split["tokens"][key], float) else value for key in wanted)]
        for name, split in splits.items()
    ]
    table(["tokens", *wanted.values()], rows)
    shares = {name: split["tokens"]["unknown"] for name, split in splits.items()}
    name = max(shares, key=lambda name: shares[name])
    if shares[name] > UNKNOWN:
        why = "its vocabulary does not have these words or characters. Take a backbone for this language"
        stdout.print(f"Unknown: {shares[name]:.1%} of the tokens of {name} mean nothing to this backbone: {why}.")
