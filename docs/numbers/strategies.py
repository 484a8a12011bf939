"""The numbers of docs/strategies.md."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any

from measured import (
    DASH,
    above_better_rate,
    apart,
    count,
    declared,
    explored,
    gap,
    joined,
    limits,
    mean,
    megabytes,
    negated,
    number,
    p,
    pair,
    probability,
    range_of_p,
    read,
    require,
    row,
    share,
    signed,
    times_as_long,
    told_apart,
    whole,
    with_limits,
)
from measured_seven_ways import section

from adapter_workbench.experiments.reporting.differences import MARKS, UNDECIDED
from adapter_workbench.workbench.measures.statistics import paired_t_test

STATED = [
    "it now makes up to 2.6 times as many steps",  # of --dry-run, with and without both keys
    "with which tests take at most 15 % of the passes",  # experiments/studies/stream/plan/orders.py
    "| `l2-to-start` | L + λ ‖θ − θ₀‖², θ₀ before the first task; from stage 1 on | – | `strength: 0.01` |",
    "and 0.1 from the tenth on",  # fusion/updates/reptile.py
    "the share `overlap` (0.3 if left out)",  # experiments/scenarios/blurry.py
    "| `overlap` | 0.3 in `blurry`, else none |",
    "`strength: 0.5` (α)",
    "`strength: 0.01` (β)",
    "`threshold: 0.98` (ε)",
    "`preserved: 0` (p), `growth: 0.1` (g)",
    "rank × in float32 | `strength: 0.5`; method `lora` only",
    "`strength: 0.1`, `pool: 10` (M)",
    "`strength: 0.75`, `hardness: 400` (s_max), `rate: 0.05`",
    "sets all of them to 0.8 when a task begins",  # the authors' program
    # runs of earlier versions and on other machines, kept in no file
    "seed 0 ended at 52.7; when each head had its own first weights, it ended at 78.8.",
    "Seeds 0 and 1 ended at 78.8 and 82.0 on one machine, at 82.8 and 77.0 on another (300 examples), at 81.9 and 83.7 "
    "on a third (200)",
    "on a Xeon at 2.3 GHz",
]
NAMES = {  # strategy → as the table calls it, and what PyContinual reports
    "joint": ("joint", "96.77"),
    "individual-full": ("individual-full, a model a task", "96.49"),
    "isolated-pfeiffer": ("isolated-pfeiffer", "96.20"),
    "isolated-lora": ("isolated-lora", DASH),
    "sequential-head": ("sequential-head, frozen features", "83.28"),
    "o-lora": ("o-lora", DASH),
    "replay": ("replay, 200 examples", DASH),
    "ewc": ("ewc", "61.86"),
    "sequential-full": ("sequential-full, 2e-4", "**52.50**"),
    "sequential-lora": ("sequential-lora, one shared LoRA", "68.29 (shared adapter)"),
}
READINGS = {"isolated-lora": "higher", "sequential-head": "higher", "sequential-lora": UNDECIDED}
REMEDIES = ("replay", "ewc", "o-lora")
TESTED = {"isolated-lora": "LoRA", "isolated-pfeiffer": "Pfeiffer", "individual-full": "a model a task"}


def pieces() -> Iterator[str]:
    """Yield the tables and sentences of the streams."""
    yield from section(read("seven-ways"))
    newsgroups = read("20news-10")
    yield from newsgroups_table(newsgroups)
    yield from declared_tests(newsgroups)
    yield from newsgroups_sentences(newsgroups)
    yield from spread(newsgroups)
    tuned = read("20news-10-tuned")
    yield from tuned_table(tuned)
    yield from tuned_sentences(tuned, newsgroups)
    yield from merged_table(read("20news-10-merged"), tuned)
    yield from merging_table(read("merging-8"))
    reasoning = read("reasoning-3")
    yield from reasoning_table(reasoning)
    yield from reasoning_sentences(reasoning)


WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def newsgroups_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the ten strategies and of the frontier."""
    for strategy, (name, published) in NAMES.items():
        metrics = document["strategies"][strategy]["metrics"]
        average, learned, forgot = (
            metrics[metric] for metric in ("average_accuracy", "learning_accuracy", "forgetting")
        )
        shown = with_limits(average)
        yield row(
            name,
            shown.replace(mean(average), f"**{mean(average)}**") if strategy == "sequential-full" else shown,
            mean(learned),
            with_limits(forgot) if forgot["mean"] else mean(forgot),
            published,
        )
    for point, rate in ((0, "5e-5"), (2, "4e-4")):
        figures = document["frontier"]["sequential-full"][point]
        yield (
            f"| *frontier:* sequential-full, {rate} | {with_limits(figures['average_accuracy'])} | "
            f"{mean(figures['learning_accuracy'])} | {with_limits(figures['forgetting'])} | |"
        )

    parameters = document["strategies"]["individual-full"]["cost"]["trainable_parameters"]
    yield f"a sentence encoder of {count(parameters)} parameters"


def declared_tests(document: dict[str, Any]) -> Iterator[str]:
    """Yield what the recipe asks, and what the other pairs say."""
    asked, forgot = declared(document), declared(document, "forgetting")
    above = {name: value for name, value in asked.items() if value.reading == "higher"}
    require({*asked} - {*above} == {"sequential-lora"}, "eight are above it, except sequential-lora")
    yield (
        f"**Against the reference**, `sequential-full`, adjusted after Holm for {WORDS[len(asked)]} strategies, "
        f"{WORDS[len(above)]} have a higher average accuracy ({range_of_p(above.values())}); `sequential-lora` is "
        f"undecided ({p(asked['sequential-lora'])})."
    )
    less = {name: value for name, value in forgot.items() if value.reading == "lower"}
    require(forgot["sequential-lora"].reading == "higher", "sequential-lora forgets more")
    require(len(less) == len(above) - 1, "all but joint, which has no forgetting, forget less")
    yield (
        f"{WORDS[len(less)].capitalize()} forget less ({range_of_p(less.values())}), and `sequential-lora` forgets "
        f"more ({p(forgot['sequential-lora'])})."
    )
    other = explored(document)
    distinct = apart(other)
    require(
        set(distinct)
        == {
            "isolated-lora − ewc",
            "isolated-pfeiffer − ewc",
            "individual-full − ewc",
            "sequential-head − ewc",
            "individual-full − o-lora",
            "individual-full − sequential-head",
        },
        "the six pairs that the page names",
    )
    lost = apart(explored(document, "forgetting"))
    nothing = ("isolated-lora", "isolated-pfeiffer", "individual-full", "sequential-head")
    zero = {frozenset((name, shared)) for name in nothing for shared in ("sequential-lora", "replay", "o-lora")}
    shared = {frozenset(("sequential-lora", name)) for name in ("ewc", "o-lora")}
    require({frozenset(label.split(" − ")) for label in lost} == zero | shared, "which pairs forgetting tells apart")
    yield (
        f"**Among the other {len(other)} pairs**, which are exploratory and adjusted by themselves, "
        f"{WORDS[len(distinct)]} differ in average accuracy: `ewc` is below `isolated-lora`, `isolated-pfeiffer`, "
        "`individual-full` and `sequential-head`; `o-lora` and `sequential-head` are below `individual-full`. "
        "The four that forget nothing are one test; they forget less than `sequential-lora`, `replay` and `o-lora`. "
        "`ewc` and `o-lora` forget less than `sequential-lora`."
    )


def newsgroups_sentences(document: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of the differences between strategies."""
    strategies = document["strategies"]
    joint, model = (pair(document, "isolated-lora", other) for other in ("joint", "individual-full"))
    require(not told_apart(joint) and not told_apart(model), "between isolated, individual and joint it is undecided")
    yield (
        f"a LoRA a task minus joint is {number(joint['mean'])} points {limits(joint)}, minus a model a task "
        f"{number(model['mean'])} {limits(model)}."
    )
    asked, loss = declared(document)["isolated-lora"], declared(document, "forgetting")["isolated-lora"]
    below = pair(document, "isolated-lora", "sequential-full")
    forgot = strategies["sequential-full"]["metrics"]["forgetting"]
    learned = [strategies[name]["metrics"]["learning_accuracy"] for name in ("sequential-full", "isolated-lora")]
    require(
        not told_apart(pair(document, "sequential-full", "isolated-lora", "learning_accuracy")),
        "89.2 and 89.7, undecided",
    )
    yield (
        f"**Sequential full fine-tuning is {mean(below)} points below isolated LoRAs**: over seeds {limits(below)}, "
        f"over test examples {limits(below['bootstrap'])}, {p(asked)}. Right after each task the two score "
        f"{mean(learned[0])} and {mean(learned[1])}, undecided; full fine-tuning then forgets {mean(forgot)} "
        f"points {limits(forgot)}, a LoRA a task nothing ({p(loss)})."
    )
    over = [pair(document, name, "sequential-full") for name in REMEDIES]
    under = [pair(document, "isolated-lora", name) for name in REMEDIES]
    require(all(declared(document)[name].reading == "higher" for name in REMEDIES), "above sequential-full")
    other = explored(document)
    require(apart({name: other[f"isolated-lora − {name}"] for name in REMEDIES}) == ["ewc"], "ewc alone is told apart")
    yield (
        f"**The three remedies** are {lowest(over)} to {highest(over)} points above sequential-full "
        f"({range_of_p(declared(document)[name] for name in REMEDIES)}) and {lowest(under)} to {highest(under)} below "
        f"isolated LoRAs; of these three pairs, which are exploratory, `ewc` alone is lower "
        f"({p(other['isolated-lora − ewc'])})."
    )
    require(
        not any(
            told_apart(pair(document, *names)) for names in (("replay", "ewc"), ("replay", "o-lora"), ("ewc", "o-lora"))
        ),
        "Between the remedies it is undecided",
    )
    yield from privileges(document)
    slow, own = document["frontier"]["sequential-full"][:2]
    require(0.4 < slow["forgetting"]["mean"] / own["forgetting"]["mean"] < 0.6, "forgets half as much")
    gain = slow["average_accuracy"]["mean"] - own["average_accuracy"]["mean"]
    yield (
        f"At a quarter of the rate full fine-tuning forgets half as much and ends {number(gain)} points higher on "
        "average."
    )
    require(own["chosen"], "single-task validation picks 2e-4")
    isolated = strategies["isolated-lora"]["metrics"]["average_accuracy"]
    yield (
        f"Validation on a single task picks 2e-4 ({number(own['single_task_validation'])} against "
        f"{number(slow['single_task_validation'])}); the better point of the frontier is "
        f"{number(isolated['mean'] - slow['average_accuracy']['mean'])} "
        "points below isolated LoRAs."
    )
    frozen = pair(document, "isolated-lora", "sequential-head")
    yield (
        f"A frozen encoder under new heads loses nothing and is {mean(frozen)} points {limits(frozen)} below isolated "
        f"LoRAs, which is undecided ({p(explored(document)['isolated-lora − sequential-head'])})."
    )


def privileges(document: dict[str, Any]) -> Iterator[str]:
    """Yield what the remedies are above the reference at its better rate, and what they take that it does not."""
    above = sorted(above_better_rate(document, name) for name in REMEDIES)
    yield f"sequential-full is {number(above[0])} to {number(above[-1])} points below the three remedies"
    ewc, o_lora, replay = (times_as_long(document, name) for name in ("ewc", "o-lora", "replay"))
    yield f"they train {ewc} and {o_lora} times as long, `replay` {replay} times"


def spread(document: dict[str, Any]) -> Iterator[str]:
    """Yield how far the seeds lie apart, and what testing took."""
    ends = {
        name: strategy["metrics"]["average_accuracy"]["values"] for name, strategy in document["strategies"].items()
    }
    fast = document["frontier"]["sequential-full"][2]["average_accuracy"]["values"]
    require(sum(value < 0.6 for value in fast) == 3 and len(fast) == 5, "at 4e-4 three of five seeds end below 60")
    yield f"sequential-full's five seeds end between {span(ends['sequential-full'])}."
    yield f"here at {' and '.join(number(value) for value in ends['sequential-full'][:2])}."
    yield (
        f"The shared LoRA ends between {span(ends['sequential-lora'])}. "
        f"Isolated LoRAs end between {span(ends['isolated-lora'])}."
    )
    parts = {}
    for name, strategy in document["strategies"].items():
        cost = strategy["cost"]
        parts[name] = share(cost["evaluate_seconds"] / (cost["evaluate_seconds"] + cost["train_seconds"]))
    yield (
        "Of the time of isolated strategies, testing took "
        f"{joined(f'{parts[name]} ({called})' for name, called in TESTED.items())}"
    )
    yield f"For `sequential-full` testing took {parts['sequential-full']}."


def tuned_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield a row for each entry at each of its learning rates, those of the frontier included."""
    for name, strategy in document["strategies"].items():
        points = {point["learning_rate"]: point for point in document["frontier"].get(name, [])}
        for tried in sorted(strategy["tuning"]["tried"], key=lambda point: point["learning_rate"]):
            own = tried["learning_rate"] == strategy["tuning"]["chosen"]
            figures = strategy["metrics"] if own else points.get(tried["learning_rate"])
            if figures is None:
                continue
            forgot = figures["forgetting"]
            yield row(
                name,
                f"**{tuned_rate(tried)}**" if own else tuned_rate(tried),
                number(tried["validation"]),
                with_limits(figures["average_accuracy"]),
                mean(figures["learning_accuracy"]),
                with_limits(forgot) if forgot["mean"] else mean(forgot),
            )


def tuned_sentences(document: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    """Yield what validation picks, and what a frontier shows beside it."""
    for name in ("isolated-lora", "sequential-full", "sequential-lora"):
        same = [record["strategies"][name]["metrics"]["average_accuracy"]["values"] for record in (document, before)]
        require(same[0] == same[1], "these rows are those of the table above")
        chosen = document["strategies"][name]["tuning"]["chosen"]
        require(chosen == before["strategies"][name]["settings"]["learning_rate"], "validation picks their own rates")
    heads = [record["strategies"]["sequential-head"]["settings"]["learning_rate"] for record in (document, before)]
    yield f"For heads on frozen features it picks {heads[0]:.2g} instead of {heads[1]:.2g}."
    edge = [name for name, strategy in document["strategies"].items() if _is_at_edge(strategy["tuning"])]
    require(edge == ["sequential-head"], "whose pick no grid encloses")
    yield f"The grid of `{edge[0]}` does not enclose its pick: {heads[0]:.2g} is the highest of the three rates."
    isolated = document["strategies"]["isolated-lora"]["metrics"]["average_accuracy"]["values"]
    for name, words in (("sequential-lora", "the shared LoRA"), ("sequential-full", "full fine-tuning")):
        points = {point["learning_rate"]: point for point in document["frontier"][name]}
        slow, own = points[min(points)], next(point for point in points.values() if point["chosen"])
        at, picked = (point["average_accuracy"]["values"] for point in (slow, own))
        gain, gap = ([x - y for x, y in zip(*pair, strict=True)] for pair in ((at, picked), (isolated, at)))
        yield (
            f"At {tuned_rate(slow)} {words} ends {number(fmean(gain))} points higher than at the picked rate "
            f"({by_itself(gain)}) and {number(fmean(gap))} below isolated LoRAs ({by_itself(gap)})."
        )
    asked, lost = declared(document), declared(document, "forgetting")
    require({name: value.reading for name, value in asked.items()} == READINGS, "what is higher")
    yield (
        f"isolated LoRAs and heads on frozen features are higher (both p = {asked['isolated-lora'].adjusted:.3f}) and "
        f"forget less (both p = {lost['isolated-lora'].adjusted:.3f}); the shared LoRA is undecided in "
        f"average accuracy ({p(asked['sequential-lora'])}) and forgets more ({p(lost['sequential-lora'])})."
    )
    require(asked["isolated-lora"].adjusted == asked["sequential-head"].adjusted, "both p")
    require([value.reading for value in lost.values()] == ["lower", "lower", "higher"], "what forgets less")


def _is_at_edge(tuning: dict[str, Any]) -> bool:
    """Return whether the rate that was picked is the lowest or the highest of those that were tried."""
    rates = [point["learning_rate"] for point in tuning["tried"]]
    return tuning["chosen"] in (min(rates), max(rates))


def by_itself(differences: list[float]) -> str:
    """Return ``p = 0.044``, of a paired t-test over seeds that is not adjusted, and whether it tells nothing."""
    chance = paired_t_test(differences)
    return f"{probability(chance)}{'' if chance is not None and chance < 0.05 else ', undecided'}"


MERGED = {
    "isolated-lora": "isolated, ten LoRAs",
    "merged-5": "`keep: 5`",
    "merged-2": "`keep: 2`",
    "merged-1": "`keep: 1`, a running average",
    "merged-5-fewest": "`keep: 5`, `pair: fewest`",
    "merged-5-oldest": "`keep: 5`, `pair: oldest`",
    "merged-5-sum": "`keep: 5`, `scale: 2`",
    "merged-5-ties": "`keep: 5`, `merge: ties`, `scale: 2`",
    "merged-5-magmax": "`keep: 5`, `merge: magmax`, `scale: 2`",
}


def merged_table(document: dict[str, Any], tuned: dict[str, Any]) -> Iterator[str]:
    """Yield what K adapters for ten tasks reach, and what no adapter does."""
    asked, lost = declared(document), declared(document, "forgetting")
    for name, called in MERGED.items():
        metrics, cost = document["strategies"][name]["metrics"], document["strategies"][name]["cost"]
        forgot = metrics["forgetting"]
        against = gap(asked[name].seeds.as_json()) if name in asked else DASH
        yield row(
            called,
            megabytes(cost["stored_bytes"] / 1e6),
            with_limits(metrics["average_accuracy"]),
            against,
            mean(metrics["learning_accuracy"]),
            with_limits(forgot) if forgot["mean"] else mean(forgot),
            since_learned(metrics["backward_transfer"]),
        )
    below = {name: value for name, value in asked.items() if value.reading == "lower"}
    require(set(below) == {"merged-2", "merged-1"}, "K = 2 and K = 1 are below isolated LoRAs")
    more = {name for name, value in lost.items() if value.reading == "higher"}
    require(more == {"merged-2", "merged-1", "merged-5-fewest"}, "what forgets more")
    yield f"`keep: 2` and `keep: 1` are below isolated LoRAs ({range_of_p(below.values())})"
    require(not apart(explored(document)), "none is told apart")
    ends = {
        name: strategy["metrics"]["average_accuracy"]["values"] for name, strategy in document["strategies"].items()
    }
    spreads = {name: max(values) - min(values) for name, values in ends.items()}
    added = {"merged-5-sum", "merged-5-ties", "merged-5-magmax"}
    require(all(0.095 < spreads[name] < 0.205 for name in added), "seeds that end 10 to 20 points apart")
    require(all(spreads[name] <= 0.04 for name in {*MERGED} - added), "those of averages lie within 4")
    yield "(`scale: 2`) have seeds that end 10 to 20 points apart, where those of averages lie within 4."
    frozen = tuned["strategies"]["sequential-head"]["metrics"]["average_accuracy"]
    yield f"heads on frozen features, with no adapter at all, reach {with_limits(frozen)}"


def merging_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield what every rule for pairs and every composition loses, and what is said of them."""
    strategies = document["strategies"]
    require(document["complete"], "all rules, to the end")
    below = {name: strategies[name]["comparison"]["average_accuracy"] for name in strategies if name != "isolated"}
    average = {name: strategy["metrics"]["average_accuracy"]["mean"] for name, strategy in strategies.items()}
    for name in sorted(strategies, key=lambda name: -average[name]):
        forgot = strategies[name]["metrics"]["forgetting"]["mean"]
        yield row(
            called(name),
            megabytes(strategies[name]["cost"]["stored_bytes"] / 1e6),
            number(average[name]),
            f"{gap(below[name])} {MARKS[below[name]['reading']]}" if name in below else DASH,
            seeds_needed(below[name]) if name in below else DASH,
            number(forgot),
            since_learned(strategies[name]["metrics"]["backward_transfer"]),
        )
    lost = {name: negated(difference) for name, difference in below.items()}
    yield f"no adapter at all loses {without_sign(lost['no-adapter'])} points"
    yield f"the default, `average-linkage` with `svd`, loses {without_sign(lost['average-linkage'])}"
    yield f"`pair: fewest` {without_sign(lost['fewest'])}"
    decided = {name for name in below if below[name]["reading"] != UNDECIDED}
    require(decided == {"left-overlap", "oldest", "by-model-stock"}, "three are lower, nothing else is decided")
    chances = [below[name]["p_holm"] for name in decided]
    yield f"p from {min(chances):.4f} to {max(chances):.3f} after Holm"
    drops = {name for name in below if strategies[name]["comparison"]["forgetting"]["reading"] == "higher"}
    require(drops == {"by-breadcrumbs", "by-model-stock"}, "which forget more")
    for name, twin in (("sign-conflict", "cosine"), ("by-slerp", "by-nuslerp")):
        require(below[name]["values"] == below[twin]["values"], f"{name} is as {twin}")
    require(average["average-linkage"] - average["cosine"] == 0, "both rules end alike")
    few = [seeds for name in below if (seeds := (below[name]["to_decide"] or {}).get("seeds")) and seeds <= 14]
    yield f"{len(few)} of {len(below) - len(decided)} would be decided by {min(few)} to {max(few)} seeds"
    whole_bytes = {name for name in below if strategies[name]["cost"]["stored_bytes"] > 2.4e6}
    yield f"{WORDS[len(whole_bytes)]} compositions store as much as the eight LoRAs"


def seeds_needed(value: dict[str, Any]) -> str:
    """Return how many seeds would decide a difference; a dash where it is decided, more than 1,000 where none would."""
    needed = value["to_decide"]
    return DASH if needed is None else str(needed["seeds"] or "> 1,000")


def since_learned(value: dict[str, Any]) -> str:
    """Return what became of a task since it was learned, in points with a sign: ``−1.2``."""
    return signed(value) if value["mean"] else mean(value)


def called(name: str) -> str:
    """Return an entry of the recipe in the words of its settings."""
    if name.startswith("by-"):
        return f"`merge: {name.removeprefix('by-')}`"
    return {"isolated": "isolated, eight LoRAs", "no-adapter": "no adapter, heads alone"}.get(name, f"`pair: {name}`")


def without_sign(interval: dict[str, float]) -> str:
    """Return a loss with its limits: ``1.4 [0.5, 2.3]``."""
    return gap(interval).removeprefix("+")


def tuned_rate(point: dict[str, Any]) -> str:
    """Return a learning rate in two digits: ``7.9e-4``, ``0.047``."""
    value = point["learning_rate"]
    return f"{value:.2g}" if value >= 0.001 else f"{value:.1e}".replace("e-0", "e-").replace(".0e", "e")


def reasoning_table(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of three strategies and of one more learning rate."""
    for label, name in (
        ("lora-isolated", "lora-isolated"),
        ("lora-sequential, one shared LoRA", "lora-sequential"),
        ("full-sequential, 2e-4", "full-sequential"),
    ):
        strategy = document["strategies"][name]
        metrics = strategy["metrics"]
        average = mean(metrics["average_accuracy"])
        yield row(
            label,
            average if name == "lora-sequential" else f"**{average}**",
            mean(metrics["learning_accuracy"]),
            mean(metrics["forgetting"]),
            *(", ".join(whole(score) for score in scores if score is not None) for scores in strategy["matrix"][1:]),
        )
    slow = document["frontier"]["full-sequential"][0]
    yield (
        f"| *frontier:* full-sequential, 5e-5 | {mean(slow['average_accuracy'])} | {mean(slow['learning_accuracy'])} | "
        f"{mean(slow['forgetting'])} |"
    )


def reasoning_sentences(document: dict[str, Any]) -> Iterator[str]:
    """Yield what is said of one seed, over test examples."""
    full, shared, between = (
        pair(document, *names)["bootstrap"]
        for names in (
            ("lora-isolated", "full-sequential"),
            ("lora-isolated", "lora-sequential"),
            ("lora-sequential", "full-sequential"),
        )
    )
    require(told_apart(full) and told_apart(shared), "isolated LoRAs are above both")
    yield (
        f"Over test examples isolated LoRAs are {mean(full)} points above sequential full fine-tuning, 95 % interval "
        f"{whole_limits(full)}, and {mean(shared)} above the shared LoRA, {whole_limits(shared)}."
    )
    require(not told_apart(between), "it is undecided")
    yield (
        f"Between the shared LoRA and full fine-tuning it is undecided ({mean(between)} points, "
        f"{whole_limits(between)})."
    )
    alone, together = (document["strategies"][name]["matrix"] for name in ("lora-isolated", "lora-sequential"))
    yield (
        f"In this run the shared LoRA reached {whole(together[2][1])} and {whole(together[3][2])} % on the second "
        "and third "
        f"task, a fresh LoRA {whole(alone[2][1])} and {whole(alone[3][2])}."
    )
    slow, own = document["frontier"]["full-sequential"]
    first = document["strategies"]["full-sequential"]["matrix"][1][0]
    require(own["chosen"] and own["single_task_validation"] == 1, "all 24 examples right at 2e-4")
    require(round(24 * slow["single_task_validation"]) == 14, "at 5e-5 14 of them")
    require(document["strategies"]["full-sequential"]["matrix"][2][0] == 0, "nothing is left at 2e-4")
    yield f"of {whole(together[1][0])} or {whole(first)} % nothing is left at the rates that validation"


def lowest(differences: list[dict[str, Any]]) -> str:
    """Return the smallest mean of some differences."""
    return number(min(difference["mean"] for difference in differences))


def highest(differences: list[dict[str, Any]]) -> str:
    """Return the largest mean of some differences."""
    return number(max(difference["mean"] for difference in differences))


def span(values: list[float]) -> str:
    """Return ``76.5 and 84.5``, the smallest and the largest."""
    return f"{number(min(values))} and {number(max(values))}"


def whole_limits(difference: dict[str, Any]) -> str:
    """Return bounds in whole points."""
    return f"[{whole(difference['low'])}, {whole(difference['high'])}]"
