"""What a server has answered since it started, as its metrics count it, beside held-out rows of the task."""

from __future__ import annotations

import math
from concurrent.futures import wait
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from adapter_workbench.experiments.answers.adapter_task import adapter_task
from adapter_workbench.experiments.answers.drift.result import Drift
from adapter_workbench.experiments.answers.drift.signals import Signal, deals_at, label_shares, with_adjusted
from adapter_workbench.workbench.errors import InputError, WorkError
from adapter_workbench.workbench.machine.own_thread import in_own_thread
from adapter_workbench.workbench.measures.relabelled_samples import counts_differ, counts_moved
from adapter_workbench.workbench.mlflow.address import printable_address, without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from adapter_workbench.experiments.answers.drift.bounds import DriftBounds
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

SECONDS = 30.0  # until a server is given up that has not sent its whole answer
LARGEST = 2**24  # bytes of a page that are read
SHOWN = 5  # labels of a server that a message names
KIND = "classification"  # each answer has one label, so that counts say all about shares


@dataclass(frozen=True)
class ServedCounts:
    """What one adapter answered."""

    texts: int  # how many
    labels: Mapping[str, int]  # label → how many answers
    bounds: tuple[float, ...]  # upper bounds of confidence, ascending; the last is infinite
    # how many answers have a confidence up to each bound and above the one before, (bounds,)
    confidence: NDArray[np.int64]
    total: float  # the sum of all confidences


def metrics_page(url: str, key: bytes | None) -> str:
    """Return the metrics of the server at ``url``; no message shows a password in it.

    Raises:
        InputError: this is not the address of such a server, or it wants another key.
        WorkError: it does not answer, or not to the end within the time allowed.
    """
    answer = in_own_thread(lambda: _asked(url, key), "metrics")  # requests bounds the time between two bytes alone
    where = f"{printable_address(url)}/metrics"
    if not wait([answer], SECONDS).done:
        raise WorkError(f"the server is too slow: no complete answer within {SECONDS:g} s", where=where)
    content = answer.result()
    if len(content) >= LARGEST:
        raise InputError(f"the metrics have more than {LARGEST:,} bytes", where=where, hint="Give --file.")
    if b"workbench_texts" not in content:
        raise InputError("this is not a server of the workbench", where=where, hint="workbench serve starts one.")
    return content.decode("utf-8", "replace")


def _asked(url: str, key: bytes | None) -> bytes:
    """Return the first bytes of what the server answers; none where it refuses. Raises as :func:`metrics_page`."""
    import requests
    from urllib3.exceptions import HTTPError

    headers = {} if key is None else {"Authorization": f"Bearer {key.decode()}"}
    address, shown = f"{url.rstrip('/')}/metrics", printable_address(url)
    where, hint = f"{shown}/metrics", "Such as http://127.0.0.1:8000"
    try:
        with requests.get(address, headers=headers, timeout=SECONDS, allow_redirects=False, stream=True) as reply:
            if reply.status_code in (401, 403):
                raise InputError("the server wants a key", where=where, hint="--api-key-file names the file with it.")
            content: bytes = reply.raw.read(LARGEST, decode_content=True) if reply.status_code == 200 else b""
    except requests.exceptions.InvalidURL as error:
        message = f"this is not an address: {without_secrets(str(error), address)}"
        raise InputError(message, where=shown, hint=hint) from None
    except requests.exceptions.RequestException as error:
        if isinstance(error, ValueError):  # no scheme, or an unknown one
            raise InputError("this is not an address", where=shown, hint=hint) from None
        raise WorkError("the server does not answer", where=where) from None
    except UnicodeError:  # a password in letters that a header cannot have
        raise InputError("this address cannot be sent", where=shown, hint=hint) from None
    except HTTPError:  # what is raised while the page is read
        raise WorkError("the server began its answer and did not end it", where=where) from None
    return content


def served_counts(page: str, adapter: str, where: str) -> ServedCounts:
    """Return what a page of metrics says of an adapter.

    Raises:
        InputError: the page cannot be read, or the adapter has answered nothing there.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = [*text_string_to_metric_families(page)]
        samples = [
            sample for family in families for sample in family.samples if sample.labels.get("adapter") == adapter
        ]
        labels = {
            sample.labels["label"]: int(sample.value) for sample in samples if sample.name == "workbench_answers_total"
        }
        buckets = sorted(
            (float(sample.labels["le"]), int(sample.value))
            for sample in samples
            if sample.name == "workbench_confidence_bucket"
        )
        texts = sum(int(sample.value) for sample in samples if sample.name == "workbench_texts_total")
        total = sum(sample.value for sample in samples if sample.name == "workbench_confidence_sum")
    except (ValueError, KeyError, OverflowError):
        raise InputError("the metrics cannot be read", where=where) from None
    if not sum(labels.values()) or not buckets:
        hint = "Counts begin when the server starts; GET /adapters says which adapters it has."
        raise InputError(f"{adapter} has answered nothing there yet", where=where, hint=hint)
    cumulative = np.array([count for _, count in buckets], dtype=np.int64)
    counts = np.diff(cumulative, prepend=0)
    if (counts < 0).any() or not counts.sum():
        raise InputError("the metrics cannot be read: the counts of confidence are none", where=where)
    return ServedCounts(texts, labels, tuple(bound for bound, _ in buckets), counts, total)


def require_counted(kind: str, task: str) -> None:
    """Raise InputError where counts of labels do not say how answers are shared out."""
    if kind != KIND:
        message = f"{task} is {kind}: the counts of a server are compared only where a text has one label"
        raise InputError(message, where="--server", hint="Save the texts in a file, and give --file.")


def served_drift(
    stored: StoredAdapter,
    served: ServedCounts,
    bounds: DriftBounds,
    backbone: str | None,
    task_folders: Sequence[Path],
) -> Drift:
    """Return how answers of a server differ from those to held-out rows; raises as ``drift_of``, which see."""
    task = adapter_task(stored, task_folders, "drift needs the test rows", "`workbench evaluate`")
    if not {*served.labels} & {*task.labels}:
        given = ", ".join(sorted(served.labels)[:SHOWN])
        message = f"no label of the server's answers is one of {task.name}: {given}"
        raise InputError(message, where="--server", hint="Does the server answer with this adapter?")
    from adapter_workbench.workbench.answering.evaluation import evaluate_split
    from adapter_workbench.workbench.methods.stored_model import backbone_of, open_for

    manifest, opened = stored.manifest, backbone_of(stored, backbone)
    model = open_for(stored, opened, task)
    answered = evaluate_split(model, task, "test", opened, manifest.budget.max_length).outcomes
    old = np.bincount(answered["prediction"].to_numpy(dtype=np.int64), minlength=len(task.labels))
    sure, deals = answered["confidence"].to_numpy(dtype=float), deals_at(bounds.level)
    signals = [_answers(old, served, task.labels, deals), _confidence(sure, served, deals)]
    return Drift(
        adapter=stored.id,
        task=manifest.task.name,
        kind=manifest.task.kind,
        bounds=bounds,
        held_out=len(answered),
        rows=int(sum(served.labels.values())),
        total=served.texts,
        empty=0,
        left_out=None,
        signals=with_adjusted(signals, bounds.level),
        far=(),
        may_have_seen=manifest.elsewhere is not None,
    )


def _answers(old: NDArray[Any], served: ServedCounts, labels: Sequence[str], deals: int) -> Signal:
    new = np.array([served.labels.get(label, 0) for label in labels], dtype=np.int64)
    shares = label_shares(labels, old / old.sum(), new / new.sum())
    p, effect = counts_differ(old, new, deals), counts_moved(old, new)
    return Signal("answers", None, None, p, shares=shares, effect=effect)


def _confidence(old: NDArray[np.float64], served: ServedCounts, deals: int) -> Signal:
    """Compare how many answers fall into each bin of confidence: more is not kept by a server."""
    edges = np.array([-math.inf, *served.bounds])
    counts = np.array([((old > low) & (old <= high)).sum() for low, high in pairwise(edges)], dtype=np.int64)
    mean = served.total / int(served.confidence.sum())
    p, effect = counts_differ(counts, served.confidence, deals), counts_moved(counts, served.confidence)
    return Signal("confidence", float(old.mean()), float(mean), p, effect=effect)
