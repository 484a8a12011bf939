"""Which folders and files a workspace has.

::

    adapters/ID/                    the adapter store
    steps/KEY/                      results of one stage of a stream: state/, fit.json; outcome*.json, one for each way
                                    in which it was evaluated
    fits/KEY/                       checkpoints of a fit that is not finished
    attempts/KEY.json               one learning rate that was tried, and its validation score
    pieces/KEY.json                 the result of a piece of a comparison, by the piece's key
    system/NAME.jsonl               the machine's load while an experiment ran or an adapter was trained
    costs/KEY.json                  what a training step and the answers of one method cost
    trials/KEY/                     one entry of a comparison of compositions: outcomes.parquet, result.json
    evaluations/KEY/                one model on one test split: outcomes.parquet, evaluation.json
    repairs/KEY.json                the result of one repair of one stream
    probes/KEY/                     measurements of probes on one model, or its hidden states when its task was learned
    routers/KEY/                    what a router knows of one adapter, or how it scores the validation texts of several
    damaged/ID-xxxxxxxx/            an adapter that was damaged or imported, moved aside when it was trained here
    measured/ID.json                the validation score of an imported adapter, measured here
    asked/ID.json                   which command of a person asked for an adapter, whatever made it
    champions.json                  which version of each registered name is the champion, and which were before
    claims/KEY                      an empty file that is locked while a process does the piece
    pace.jsonl                      durations of earlier pieces
    experiments/NAME/record.json    which pieces make up the experiment, and what they share
    mlflow.db, mlartifacts/         MLflow, unless $MLFLOW_TRACKING_URI says otherwise

A folder appears complete or not at all. A key is the digest of everything that determines the content, so that work
that was done once is done for every run that needs it. Documents and folders have digests of their content
(:mod:`.checksummed`). Reading something damaged is an error, and a run makes it again (:mod:`.damage`).
"""

from __future__ import annotations

SWEPT = (  # patterns of the folders in which a killed process may leave something half-written
    "",
    "steps",
    "steps/*",
    "steps/*/state",
    "adapters",
    "attempts",
    "pieces",
    "repairs",
    "measured",
    "asked",
    "costs",
    "trials",
    "evaluations",
    "probes",
    "probes/*",
    "routers",
    "fits/*",
    "experiments/*",
)
FOLDERS = {  # of the first level, in which nothing else may be written
    pattern.partition("/")[0] for pattern in SWEPT if pattern
} | {"damaged", "claims", "system", "mlartifacts"}
