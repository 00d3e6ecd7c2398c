"""The Makefile says what it can do, and what it installs is pinned."""

from __future__ import annotations

import re
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.settings import ROOT


def make(*arguments: str) -> str:
    return subprocess.run(["make", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_make_alone_lists_every_public_target() -> None:
    listed = set(re.findall(r"^  make (\S+) +\S", make(), flags=re.M))
    documented = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.M))
    assert listed == documented
    assert {"run", "test", "check", "simulate", "setup"} <= listed


def test_ci_runs_the_checks_and_the_tests() -> None:
    assert (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1] == "exec make check test"


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


def test_locks_pin_every_direct_dependency_and_no_build_of_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, development = pins("requirements.lock"), pins("requirements-dev.lock")
    assert not runtime.keys() & development.keys()
    assert all("+" not in version for version in runtime.values())
    for line in project["dependencies"]:
        wanted = Requirement(line)
        assert runtime[canonicalize_name(wanted.name)] in wanted.specifier, line
    for line in project["optional-dependencies"]["dev"]:
        assert canonicalize_name(Requirement(line).name) in runtime | development, line


def test_locks_name_no_address() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "package-lock.json"):
        assert "://" not in (ROOT / name).read_text(), name
