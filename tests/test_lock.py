"""The locks hold every requirement of pyproject.toml, each with hashes, and name no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
LOCKS = {"default.txt": ["dev", "ui", "local"]}


def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a lock with its hashes."""
    text = (ROOT / "requirements" / lock).read_text()
    joined = re.sub(r"\s*\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    split = [line.split(" --hash=") for line in joined.splitlines()]
    return [(Requirement(requirement), hashes) for requirement, *hashes in split]


def versions(lock: str) -> dict[str, set[str]]:
    """The pinned versions by package; a package may have several, for different platforms."""
    found: dict[str, set[str]] = {}
    for requirement, _ in entries(lock):
        found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_and_has_a_sha256(lock: str) -> None:
    for requirement, hashes in entries(lock):
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_address_is_in_a_lock(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert re.findall(r".*(?:://|^-|^\s+--(?!hash=)|index-url|find-links).*", text, flags=re.MULTILINE) == []


@pytest.mark.parametrize("lock, extras", LOCKS.items())
def test_a_lock_satisfies_pyproject(lock: str, extras: list[str]) -> None:
    wanted = [*PYPROJECT["build-system"]["requires"], *PYPROJECT["project"]["dependencies"]]
    wanted += [requirement for extra in extras for requirement in EXTRAS[extra]]
    locked = versions(lock)
    for requirement in map(Requirement, wanted):
        pins = locked.get(canonicalize_name(requirement.name), set())
        assert pins, f"{requirement} is not in {lock}; run `make lock`"
        assert all(requirement.specifier.contains(pin.removeprefix("==")) for pin in pins), requirement
