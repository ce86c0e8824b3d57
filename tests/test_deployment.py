"""The compose file and the proxy's: what can be checked of them without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import citewell
import pytest
import yaml
from citewell import cli
from citewell.settings import ENV_PREFIX, Settings

ROOT = Path(citewell.__file__).parents[2]
FOLDER = ROOT / "deploy"
NO_SETTING = {"CITEWELL_HOST"}  # the proxy's and the compose file's


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
    assert all(":" not in volume for volume in services["chat"]["volumes"]), "each replica needs its own"
    context = FOLDER / services["chat"]["build"]["context"]
    assert (context / services["chat"]["build"]["dockerfile"]).is_file()
    assert (FOLDER / "Caddyfile").is_file()


def test_citewell_takes_the_settings_and_options_of_the_compose_file(compose: dict[str, Any]) -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    chat = compose["services"]["chat"]
    assert chat["environment"].keys() <= known
    assert Settings(chroma_url=chat["environment"]["CITEWELL_CHROMA_URL"]).chroma_url == "http://chroma:8000"
    options = cli._parse([str(part) for part in chat["command"]])
    assert (options.command, options.port) == ("chat", 7860)
    assert chat["environment"]["CITEWELL_DATA_DIR"] in chat["volumes"]


def test_the_proxy_asks_every_replica_at_its_port_and_buffers_nothing(compose: dict[str, Any]) -> None:
    text = (FOLDER / "Caddyfile").read_text()
    assert text.count("{") == text.count("}")
    assert "name chat" in text and "chat" in compose["services"]
    assert re.search(r"port 7860\b", text) and "flush_interval -1" in text and "lb_policy cookie" in text


@pytest.mark.parametrize("path", ["docs/deployment.md", "deploy/compose.yaml", "deploy/Caddyfile"])
def test_every_variable_named_is_a_setting(path: str) -> None:
    named = set(re.findall(r"CITEWELL_[A-Z_]+", (ROOT / path).read_text()))
    assert named - {ENV_PREFIX + name.upper() for name in Settings.model_fields} <= NO_SETTING
