"""Can it be said before composing whether composing gains?

    python -m bench.predict_composing --fitted begin-ahead.json --fitted form-and-skill.json --unseen same-group.json \
        --out FILE.json

Reads files that ``workbench report NAME --json --full`` wrote about comparisons of compositions, or the cases that
``bench.store_composing_cases`` made of them, fits the model of
``docs/evidence/predicting.md`` on the cases of some, tests it on those of the others, and says whether the rule that
is registered there is met. An experiment that is not finished is left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapter_workbench.workbench.errors import InputError
from bench import program
from bench.composing_cases import cases, read, stored
from bench.composing_judged import DRAWS, Judgement, Predicted, judge
from bench.composing_prediction import answers, fit, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.composing_cases import Case

TITLES = {
    "brier": "Brier score",
    "minus_best_source": "minus that of: always the best single source",
    "minus_base_rate": "minus that of the base rate",
    "rank_correlation": "rank correlation with the gain",
    "followed": "score gained by following it",
}


def main(
    context: typer.Context,
    fitted: Annotated[list[Path], typer.Option(help="A report to fit on, or cases; may be given again.")],
    unseen: Annotated[list[Path], typer.Option(help="A report to test on, or cases; may be given again.")],
    out: program.Out,
    draws: Annotated[int, typer.Option(min=100, help="Draws of the bootstrap.")] = DRAWS,
) -> None:
    """Fit, test, and say whether the prediction is good enough for a command."""
    left_out: list[str] = []
    seen, tested = _finished(fitted, left_out), _finished(unseen, left_out)
    if twice := {case.target for case in seen} & {case.target for case in tested}:
        raise InputError(f"{min(twice)} is among the targets of both", where="--unseen")
    if not tested:
        raise InputError("none of these experiments is finished", where="--unseen")
    results = judged(seen, tested, draws)
    program.write(context, out, left_out=left_out, **results)
    for name in ("unseen", "each_target_left_out"):
        if results[name]:
            typer.echo(table(name.replace("_", " "), results[name]))
    typer.echo(results["verdict"])


def judged(seen: Sequence[Case], tested: Sequence[Case], draws: int = DRAWS) -> dict[str, Any]:
    """Return the model, its cases, how good it is on unseen ones, and in a sentence whether that is enough."""
    try:
        model = fit(seen)
    except InputError as error:
        reason = f"The command does not ship: {error.what}."
        return {"verdict": reason, "model": None, "unseen": None, "each_target_left_out": None, "cases": []}
    unseen = [Predicted(case, model.probability(case.before), model.base_rate) for case in tested]
    judgement = judge(unseen, draws)
    apart = _each_target_left_out(seen)
    return {
        "verdict": verdict(judgement),
        "model": model.as_json(),
        "unseen": judgement.as_json(),
        "each_target_left_out": judge(apart, draws).as_json() if apart else None,
        "cases": [
            *({**case.as_json(), "gains": gains} for case, gains in zip(seen, answers(seen), strict=True)),
            *(
                {
                    **prediction.case.as_json(),
                    "gains": gains,
                    "probability": prediction.probability,
                    "sentence": sentence(prediction.probability, prediction.case.before.source, prediction.case.margin),
                }
                for prediction, gains in zip(unseen, answers(tested), strict=True)
            ),
        ],
    }


def verdict(judgement: Judgement) -> str:
    """Return whether the registered rule is met."""
    if judgement.ships:
        return "The command ships: the prediction is better than both baselines, and ranks gains."
    if not judgement.gaining:
        return "The command does not ship: no unseen case gains, so nothing shows that a gain would be seen."
    return "The command does not ship: this model cannot say before composing whether composing gains."


def table(title: str, judgement: dict[str, Any]) -> str:
    """Return the scores of a judgement as Markdown."""
    head = (
        f"{title}: cases {judgement['cases']}, targets {judgement['targets']}, cases that gain {judgement['gaining']}"
    )
    rows = [
        f"| {TITLES[name]} | {score['value']:.3f} | [{score['low']:.3f}, {score['high']:.3f}] |"
        for name, score in judgement["scores"].items()
    ]
    return "\n".join([head, "", "| | | 95 % interval |", "| --- | ---: | ---: |", *rows, ""])


def _finished(paths: Sequence[Path], left_out: list[str]) -> list[Case]:
    finished: list[Case] = []
    for path in paths:
        kept = stored(path)
        if kept is not None:
            finished += kept
            continue
        document = read(path)
        if document["complete"]:
            finished += cases(document)
        else:
            left_out.append(document["experiment"])
    return finished


def _each_target_left_out(seen: Sequence[Case]) -> list[Predicted]:
    """Return predictions for the cases of each target by a model of the others; nothing where one cannot be fitted."""
    predicted = []
    for target in dict.fromkeys(case.target for case in seen):
        try:
            model = fit([case for case in seen if case.target != target])
        except InputError:
            return []
        own = [case for case in seen if case.target == target]
        predicted += [Predicted(case, model.probability(case.before), model.base_rate) for case in own]
    return predicted


if __name__ == "__main__":
    typer.run(main)
