"""What is asked of a model from Python: texts in a list, each a text or a pair of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adapter_workbench.workbench.answering.predictor import columns_of
from adapter_workbench.workbench.errors import InputError


@pytest.mark.parametrize("texts", ["Late parcel", iter(["Late parcel"])])
def test_one_text_is_not_taken_for_a_list_of_its_letters(texts: Any) -> None:
    with pytest.raises(InputError, match="in a list"):
        columns_of(texts)


@pytest.mark.parametrize("wrong", [None, math.nan, 5, ("a",), ("a", "b", "c"), ("a", None)])
def test_what_is_no_text_is_named_by_its_position(wrong: Any) -> None:
    with pytest.raises(InputError, match="position 1"):
        columns_of(["a text", wrong])


@pytest.mark.parametrize("many", [list, tuple, np.array, pd.Series])
def test_texts_come_in_any_list(many: Any) -> None:
    assert columns_of(many(["one", "two"]))["text"] == ["one", "two"]
    assert columns_of([("one", "two"), ["three", "four"]])["text_pair"] == ["two", "four"]
