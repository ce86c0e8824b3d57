"""The embedded model: a real llama.cpp server with the packaged 135M model, on loopback, shared and stopped."""

import http.client
import json
import shutil
import socket
import threading
from urllib.parse import urlsplit

import pytest
from citewell.errors import MissingExtraError, ModelError, UsageError
from citewell.llm import load_llm
from citewell.llm import local as local_module
from citewell.llm.base import Message
from citewell.prompts import load_prompt
from citewell.settings import load_settings
from citewell.sources import fence

SETTINGS = load_settings({"first_token_timeout": 120.0, "answer_timeout": 240.0, "token_timeout": 120.0})
HELLO = [Message("user", "Say hello.")]


@pytest.fixture(scope="module")
def model():
    opened = load_llm(SETTINGS, "local")
    yield opened
    opened.close()
    opened.close()


def address(model):
    return urlsplit(model._server.url)


def test_it_writes(model):
    with model.stream(HELLO, max_tokens=8) as reply:
        text = "".join(reply)
    assert text.strip() and reply.finish_reason in ("stop", "length")
    assert reply.usage.prompt_tokens > 0 and 0 < reply.usage.completion_tokens <= 8
    assert model.name == "SmolLM2-135M-Instruct (local)" and model.context_tokens == 8192


def test_it_listens_on_loopback_and_to_those_who_know_the_key(model):
    from citewell.llm.openai import OpenAIModel

    where = address(model)
    assert where.hostname == "127.0.0.1"
    stranger = OpenAIModel("x", SETTINGS, {}, base_url=model._server.url, api_key="guessed")
    try:
        with pytest.raises(ModelError, match="key"), stranger.stream(HELLO, max_tokens=4) as reply:
            list(reply)
    finally:
        stranger.close()


def test_two_replies_are_written_at_once(model):
    texts = {}

    def write(name):
        with model.stream(HELLO, max_tokens=6) as reply:
            texts[name] = "".join(reply)

    threads = [threading.Thread(target=write, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert set(texts) == {0, 1} and all(texts.values())


def read(model, messages):
    """Returns how many tokens of a prompt llama.cpp had read before, and how many it read now."""
    connection = http.client.HTTPConnection(address(model).hostname, address(model).port, timeout=240)
    try:
        body = json.dumps({"messages": [m._asdict() for m in messages], "max_tokens": 1, "temperature": 0})
        headers = {"Authorization": f"Bearer {model._server.key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        timings = json.loads(connection.getresponse().read())["timings"]
    finally:
        connection.close()
    return timings["cache_n"], timings["prompt_n"]


def test_of_a_repair_and_of_the_next_question_only_what_is_new_is_read(model):
    def messages(prompt, source, **more):
        values = {"fence": fence(), "sources": source, "question": source, "max_sentences": "6"}
        return [Message(*turn) for turn in load_prompt(prompt).messages(**{**values, **more})]

    bees, owls = "[1] Bees\nBees fly. " * 5, "[1] Owls\nOwls sleep. " * 5
    known, new = read(model, messages("answer", bees, fence="F"))
    whole = known + new
    known, new = read(model, messages("repair", bees, fence="F", failed="1. Bees swim.\n   Bees fly."))
    assert known > whole - 10 and new < 120  # what follows the question, and the tokens that end a turn
    known, new = read(model, messages("answer", owls))
    assert known > 400 and new < 200  # the rules were read before


def test_a_reply_that_is_left_frees_its_place(model):
    for _ in range(4):  # more than there are places
        with model.stream([Message("user", "Count to one thousand.")], max_tokens=2_000) as reply:
            assert next(iter(reply))
    with model.stream(HELLO, max_tokens=4) as reply:
        assert "".join(reply)


def test_a_file_is_served_once_and_the_last_to_leave_stops_the_server(model):
    second = load_llm(SETTINGS, "local")
    assert second._server is model._server
    where = address(second)
    second.close()
    with socket.create_connection((where.hostname, where.port), timeout=10):
        pass  # the first still uses it


def test_the_port_is_free_after_the_last_one_has_left(tmp_path):
    copy = tmp_path / "other.gguf"
    shutil.copyfile(local_module.model_file(SETTINGS), copy)
    alone = local_module.start(load_settings({"local_model": copy}))
    where = address(alone)
    assert alone.name == "other (local)"
    alone.close()
    with pytest.raises(OSError):
        socket.create_connection((where.hostname, where.port), timeout=10)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "Cannot read the model .*: no such file"), (b"GIF89a", "is no GGUF file")]
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, told):
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"{told}.*CITEWELL_LOCAL_MODEL"):
        local_module.start(load_settings({"local_model": path}))


def test_a_damaged_model_is_told_in_one_line(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(local_module.model_file(SETTINGS).read_bytes()[:100_000])
    with pytest.raises(
        ModelError, match=r"llama.cpp cannot load model.gguf: .* Is the file complete\?"
    ) as error:
        local_module.start(load_settings({"local_model": path}))
    assert "\n" not in str(error.value)


def test_missing_packages_name_the_extra(monkeypatch, tmp_path):
    monkeypatch.setattr(local_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"citewell\[local\]"):
        local_module.start(SETTINGS)
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    with pytest.raises(MissingExtraError, match=r"citewell\[local\]"):
        local_module.start(load_settings({"local_model": path}))


def test_a_model_can_be_closed_as_soon_as_it_is_open(tmp_path):
    # llama.cpp's server never ends if it is stopped before its loop has begun.
    copy = tmp_path / "quick.gguf"
    shutil.copyfile(local_module.model_file(SETTINGS), copy)
    for _ in range(3):
        local_module.start(load_settings({"local_model": copy})).close()
    assert not [path for _, path in local_module._servers if path == copy.resolve()]
