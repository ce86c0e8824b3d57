"""The compose file and the proxy's: what can be checked of them without Docker."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import citewell
import pytest
import yaml
from citewell import cli
from citewell.cli.parsing import parse
from citewell.settings import ENV_PREFIX, Settings

ROOT = Path(citewell.__file__).parents[2]
FOLDER = ROOT / "deploy"


@pytest.fixture
def compose() -> dict[str, Any]:
    found = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_the_parts_of_the_compose_file_fit_together(compose: dict[str, Any]) -> None:
    services, volumes = compose["services"], set()
    for name, service in services.items():
        assert {"image", "networks"} <= service.keys(), name
        assert set(service["networks"]) <= compose["networks"].keys()
        assert set(service.get("depends_on", [])) <= services.keys()
        assert set(service.get("secrets", [])) <= compose["secrets"].keys()
        mounted = [volume.partition(":") for volume in service.get("volumes", [])]
        volumes |= {source for source, colon, _ in mounted if colon and not source.startswith((".", "/"))}
    assert volumes == compose["volumes"].keys()
    assert "ports" not in services["chroma"], "Chroma has no password of its own"
    own, *shared = services["chat"]["volumes"]
    assert ":" not in own, "each replica needs its own library"
    assert shared == [f"conversations:{own}/chat"], "another replica goes on when one is gone"
    made = (FOLDER / "Dockerfile").read_text()
    assert f"--owner=citewell {own} {own}/chat" in made, "a volume is root's where the image has no folder"
    context = FOLDER / services["chat"]["build"]["context"]
    assert (context / services["chat"]["build"]["dockerfile"]).is_file()
    assert (FOLDER / "Caddyfile").is_file()


def test_a_signal_reaches_citewell_and_its_password_can_be_read(compose: dict[str, Any]) -> None:
    for name in ("chat", "ingest"):
        # The first process of a container is spared what it does not handle: it would be killed after ten seconds.
        assert compose["services"][name]["init"] is True
    entry = re.search(r"^ENTRYPOINT (.*)$", (FOLDER / "Dockerfile").read_text(), re.M)
    assert entry is not None and json.loads(entry[1]) == ["citewell"], "a shell would keep signals to itself"
    # A secret of a file is that file, with its owner and mode: Citewell is another user in there.
    told = (FOLDER / "compose.yaml").read_text(), (ROOT / "docs/deployment.md").read_text()
    assert all("chmod 644 password.txt" in text for text in told)


def test_a_change_of_citewell_does_not_install_its_requirements_again() -> None:
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    alone = lines.index("COPY requirements/default.txt requirements/")
    installed = next(n for n, line in enumerate(lines) if "--require-hashes" in line)
    assert alone < installed < lines.index("COPY . .")


def test_citewell_takes_the_settings_and_options_of_the_compose_file(compose: dict[str, Any]) -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    chat = compose["services"]["chat"]
    assert chat["environment"].keys() <= known
    assert Settings(chroma_url=chat["environment"]["CITEWELL_CHROMA_URL"]).chroma_url == "http://chroma:8000"
    options = parse([str(part) for part in chat["command"]], cli.COMMANDS)
    assert (options.command, options.port) == ("chat", 7860)
    assert chat["environment"]["CITEWELL_DATA_DIR"] in chat["volumes"]


def test_the_proxy_asks_every_replica_at_its_port_and_buffers_nothing(compose: dict[str, Any]) -> None:
    text = (FOLDER / "Caddyfile").read_text()
    assert text.count("{") == text.count("}")
    assert "name {$CHAT_HOST:chat}" in text and "chat" in compose["services"]
    assert "port {$CHAT_PORT:7860}" in text and "{$PUBLIC_HOST:localhost} {" in text
    assert "PUBLIC_HOST" in compose["services"]["proxy"]["environment"]
    assert (
        text.count("import replicas") == text.count("lb_policy cookie") == 2 and "flush_interval -1" in text
    )


def test_a_replica_that_is_gone_is_told_in_json_that_the_page_can_show() -> None:
    told = re.search(r"respond `(.*)`", (FOLDER / "Caddyfile").read_text())
    assert told is not None and json.loads(told[1]).keys() == {"error"}


def test_the_image_is_built_from_what_it_needs_and_from_nothing_private() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    taken = {line[1:] for line in lines if line.startswith("!")}
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = build["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {
        "pyproject.toml", "requirements", build["project"]["readme"], *build["project"]["license-files"],
        *(path.partition("/")[0] for path in wheel["only-include"]),
    }  # fmt: skip
    assert "*" in lines and taken == needed


@pytest.mark.parametrize("path", ["docs/deployment.md", "deploy/compose.yaml", "deploy/Caddyfile"])
def test_every_variable_named_is_a_setting(path: str) -> None:
    named = set(re.findall(r"CITEWELL_[A-Z_]+", (ROOT / path).read_text()))
    assert named <= {ENV_PREFIX + name.upper() for name in Settings.model_fields}
