"""A machine of a cluster with other packages is refused: results are kept under the versions of the first machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapter_workbench.experiments.engine.workers.cluster import machine_report, require_same_versions
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION, PACKAGES
from tests.messages import naming


def test_a_machine_says_whether_it_sees_the_workspace_and_what_is_installed(tmp_path: Path) -> None:
    marker = tmp_path / "token"
    assert not machine_report(marker, "secret").sees_workspace
    marker.write_text("secret")
    assert machine_report(marker, "secret").sees_workspace
    assert not machine_report(marker, "other").sees_workspace
    report = machine_report(marker, "secret")
    assert {*report.versions} == {DISTRIBUTION, *PACKAGES}
    require_same_versions([("10.0.0.1", report), ("10.0.0.2", report)], "--cluster")


def test_other_versions_are_named_with_their_machine(tmp_path: Path) -> None:
    here = machine_report(tmp_path, "secret")
    other = replace(here, versions={**here.versions, "torch": "0.4.1", "peft": None})
    own = {name: here.versions[name] for name in ("torch", "peft")}
    parts = f"10.0.0.2 has torch 0.4.1 (here {own['torch']}), peft missing (here {own['peft']})", "start Ray again"
    with pytest.raises(InputError, match=naming(*parts)) as caught:
        require_same_versions([("10.0.0.1", here), ("10.0.0.2", other)], "--cluster")
    assert "10.0.0.1" not in str(caught.value)
