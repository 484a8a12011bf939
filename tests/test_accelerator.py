"""On an accelerator everything comes to what it comes to on a processor: tests of both hold on a simulated one.

They run in a process of their own, since an accelerator, once it is there, stays for the whole process.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance
ROOT = Path(__file__).parents[1]
CONTRACT = "tests/test_contracts.py::test_method_learns_and_comes_back_bit_for_bit"
TESTS = {
    "training": [
        *(f"{CONTRACT}[bert-{method}-classification]" for method in ("full", "lora", "pfeiffer", "hypernetwork")),
        f"{CONTRACT}[llama-prompt-causal-lm]",
        f"{CONTRACT}[t5-lora-seq2seq]",
        "tests/workbench/test_training.py::test_a_process_that_sees_several_devices_trains_on_one",
        "tests/workbench/test_head_alone.py::test_each_row_is_encoded_once_and_dropout_is_off",
        "tests/workbench/test_head_alone.py::test_the_fit_is_that_of_a_body_which_is_run_in_each_step",
    ],
    "what was trained": [
        "tests/experiments/test_run.py::test_matrix_has_the_lower_triangle_with_its_statuses",
        "tests/experiments/test_strategies_choice.py::test_stage_to_which_the_remedy_adds_nothing_is_learned_once",
        "tests/experiments/test_strategies_distillation.py::test_teacher_is_the_model_of_the_stage_before",
        "tests/experiments/test_strategies_ranpac.py::test_only_a_first_session_takes_steps",
        "tests/experiments/test_ways.py::test_each_way_makes_an_adapter_of_the_newer_version_in_as_many_steps",
        "tests/experiments/test_ways.py::test_what_holds_holds",
        "tests/workbench/probes/test_probe_cka.py",
        "tests/fusion/test_learned.py::test_adamerging_lowers_the_entropy_and_moves_the_weights_alone",
        "tests/fusion/test_learned.py::test_fisher_at_full_rank_is_the_fisher_mean",
        "tests/fusion/test_routing.py::test_gates_are_trained_and_nothing_else",
        "tests/workbench/test_serving.py::test_rows_of_one_batch_are_answered_by_their_own_adapters[lora]",
    ],
}


@pytest.mark.parametrize("group", TESTS)
def test_what_holds_on_a_processor_holds_there(group: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "tests.simulated_accelerator", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, *TESTS[group]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    operations = re.search(r"(\d+) operations on the simulated accelerator", done.stdout)
    assert operations
    assert int(operations[1]) > 1000, "models compute there"
