"""similarity: cosine of the mean backbone feature of the target's texts and that of the adapter's training texts.

TextEmb averages over the tokens of a text, then over texts; here a text is pooled as the backbone does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.fusion.ranking import Ranking, RankingRequest, Score
from adapter_workbench.fusion.target.reader import Reader

if TYPE_CHECKING:
    from datasets import Dataset

    from adapter_workbench.fusion.target.fitted_head import Features

NO_TEXTS = "its training texts are not available"


def rank(request: RankingRequest) -> dict[str, Score]:
    """Return the cosine of each candidate whose texts are available; labels are not read."""
    if not request.texts:
        return {source.id: Score(None, NO_TEXTS) for source in request.candidates}
    reader = Reader(request.backbone, request.precision, request.max_length).keeping()
    target = _direction(reader, request.target.splits["train"])
    return {
        source.id: Score(float(target @ _direction(reader, request.texts[source.id])))
        if source.id in request.texts
        else Score(None, NO_TEXTS)
        for source in request.candidates
    }


def _direction(reader: Reader, rows: Dataset) -> Features:
    """Return the mean feature of ``rows`` at length 1: (hidden_size,)."""
    mean = reader.features(rows).astype(np.float64).mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


RANKING = Ranking(title="TextEmb", paper="Vu et al. 2020, arXiv:2005.00770", rank=rank)
