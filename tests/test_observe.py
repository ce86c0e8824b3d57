"""What operators see: logs, traces and metrics of every question, and none of its words."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from citewell import Assistant, cli, observing
from citewell.errors import GenerationError, MissingExtraError, UsageError
from citewell.observing import logs, setup
from citewell.observing.metrics import QuestionMetrics
from citewell.observing.questions import Observation, watch
from citewell.types import Done, Event, Failed
from fakes import HashEmbedder, ScriptedModel, paper, words_of
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

KEY = "sk-very-secret-0123456789"
NONSENSE = "Who won the chess tournament of 1911?"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each test sets up anew what a process sets up once."""
    yield
    for name in ("citewell", "opentelemetry"):
        logger = logging.getLogger(name)
        for handler in [each for each in logger.handlers if isinstance(each.formatter, logs.JsonFormatter)]:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(logging.NOTSET)
    if setup.spans.cache_info().currsize:
        setup.spans().provider.shutdown()  # type: ignore[attr-defined]
    for made in (setup.spans, setup.metrics, setup._handler):
        made.cache_clear()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data")
    with Assistant.open(path, embedder=HashEmbedder()) as assistant:
        assistant.add([paper(number) for number in range(12)])
    return path


def opened(data_dir: Path, **more: Any) -> Assistant:
    return Assistant.open(data_dir, embedder=HashEmbedder(), create=False, **more)


# --- watching --------------------------------------------------------------------------------------------


class Seen(list[Observation]):
    def ended(self, seen: Observation) -> None:
        assert observing.current_id() == seen.request_id
        self.append(seen)


def test_the_id_of_a_request_holds_for_the_whole_question_and_no_longer() -> None:
    inside: list[str] = []
    seen = Seen()

    def steps() -> Generator[Event]:
        for _ in range(2):
            inside.append(observing.current_id())
            yield Failed("x")

    with observing.request("from-a-proxy"):
        events = watch(steps(), "q", [seen])
    assert observing.current_id() == ""
    assert len([copy_context().run(next, events), *events]) == 2
    assert inside == ["from-a-proxy"] * 2
    other = Seen()
    list(watch(steps(), "q", [other]))
    assert len(set(inside)) == 2 and len(inside[-1]) == 32


def test_a_question_that_ends_early_or_badly_is_told_once(data_dir: Path) -> None:
    def fails(error: Exception) -> Generator[Event]:
        yield Failed("x")
        raise error

    outcomes = Seen()
    for error in (
        GenerationError("down", "server"),
        UsageError("No such word: secret"),
        RuntimeError("secret"),
    ):
        with pytest.raises(type(error)):
            list(watch(fails(error), "q", [outcomes]))
    stopped = watch(fails(RuntimeError()), "q", [outcomes])
    next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert [seen.outcome for seen in outcomes] == ["failed", "invalid", "failed", "stopped"]
    assert [seen.error for seen in outcomes] == ["GenerationError: down", "UsageError", "RuntimeError", None]


def test_an_observer_that_breaks_breaks_no_answer(data_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def ended(self, seen: Observation) -> None:
            raise OSError("disk full")

    with opened(data_dir) as assistant:
        events = list(watch(assistant._stream(words_of(1), None, (), *_parts()), words_of(1), [Broken()]))
    assert isinstance(events[-1], Done)
    assert "observer.failed" in caplog.text


def _parts() -> tuple[Any, Any]:
    from citewell.author import Stop
    from citewell.trace import Recorder

    return Recorder(), Stop()


@pytest.mark.parametrize(
    "given, kept",
    [("abc-1:2/3", True), ("a" * 128, True), ("a" * 129, False), ("a\nb", False), ("", False), ("ä", False)],
)
def test_an_id_is_taken_only_if_it_is_one(given: str, kept: bool) -> None:
    assert (observing.clean_id(given) == given) is kept


# --- logs ------------------------------------------------------------------------------------------------


def test_nothing_is_said_where_nothing_is_set(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(data_dir) as assistant:
        assistant.ask(words_of(1))
        with pytest.raises(UsageError):
            assistant.ask("")
    assert capsys.readouterr() == ("", "")


def test_a_question_is_one_line_of_json_without_its_words(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    path = tmp_path / "citewell.log"
    with opened(data_dir, log=str(path)) as assistant:
        with observing.request("r-1"):
            assistant.ask(words_of(1))
        assistant.ask(NONSENSE)
        logging.getLogger("citewell.ui").error("error 12", exc_info=RuntimeError(f"said {KEY}"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first, second, third = lines
    assert (first["event"], first["level"], first["request_id"], first["outcome"]) == (
        "question", "info", "r-1", "answered",
    )  # fmt: skip
    assert first["papers"] == 12 and first["sentences"] >= 1 and first["llm"] == "quotes"
    assert {"understand", "retrieve", "gate", "total"} <= set(first["timings"])
    assert second["outcome"] == "nothing_relevant" and second["request_id"] != "r-1"
    assert third["level"] == "error" and "RuntimeError" in third["exception"]
    text = path.read_text()
    assert KEY not in text and "chess" not in text and paper(1).title not in text


def test_the_words_are_logged_where_a_setting_asks_for_them(data_dir: Path, tmp_path: Path) -> None:
    with opened(data_dir, log=str(tmp_path / "log"), log_questions=True) as assistant:
        assistant.ask(NONSENSE)
    line = json.loads((tmp_path / "log").read_text())
    assert (line["question"], line["standalone_question"]) == (NONSENSE, NONSENSE)


def test_a_model_that_fails_is_a_warning_with_its_reason(data_dir: Path, tmp_path: Path) -> None:
    model = ScriptedModel(GenerationError("The server is down.", "server"))
    with opened(data_dir, log=str(tmp_path / "log"), log_level="warning", model=model) as assistant:
        assistant.ask(words_of(1))
        assistant.ask(NONSENSE)  # refused before the model is asked; below the level
    (line,) = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (line["level"], line["outcome"], line["error"]) == ("warning", "incomplete", "The server is down.")


def test_commands_are_logged_too_and_results_stay_alone_on_stdout(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CITEWELL_LOG", "-")
    assert cli.main(["stats", "--data-dir", str(data_dir), "--json"]) == 0
    assert cli.main(["show", "nope", "--data-dir", str(data_dir)]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out)["papers"] == 12
    first, second = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert (first["event"], first["command"], first["status"]) == ("command", "stats", 0)
    assert (second["command"], second["error"]) == ("show", "UsageError")


def test_a_log_that_cannot_be_written_is_told(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITEWELL_LOG", str(tmp_path / "no" / "log"))
    assert cli.main(["stats", "--data-dir", str(data_dir)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("citewell: Cannot write the log") and told.count("\n") == 1
    monkeypatch.delenv("CITEWELL_LOG")
    with opened(data_dir, log="/dev/full") as assistant:
        assert assistant.ask(words_of(1)).sentences
        assert assistant.ask(words_of(2)).sentences
    assert capsys.readouterr().err.count("Cannot write the log /dev/full: [Errno 28]") == 1


def test_a_log_that_was_moved_away_goes_on_in_a_new_file(data_dir: Path, tmp_path: Path) -> None:
    with opened(data_dir, log=str(tmp_path / "log")) as assistant:
        assistant.ask(words_of(1))
        (tmp_path / "log").rename(tmp_path / "log.1")
        assistant.ask(words_of(2))
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("log", "log.1")] == [1, 1]


# --- metrics ---------------------------------------------------------------------------------------------


def values(body: bytes) -> dict[tuple[str, str], float]:
    """The samples by name and the values of their labels, in the order of the labels' names."""
    return {
        (sample.name, ",".join(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_metrics_count_questions_stages_sentences_and_tokens(data_dir: Path) -> None:
    fact = paper(1).abstract.split(". ")[0] + "."
    reply = json.dumps(
        {"sentences": [{"text": fact, "citations": [1]}, {"text": "It cures 97% of flu.", "citations": [1]}]}
    )
    model = ScriptedModel(reply, json.dumps({"sentences": []}))
    with opened(data_dir, metrics=True) as assistant:
        assistant.ask(words_of(1))
        assistant.ask(NONSENSE)
    with opened(data_dir, metrics=True, model=model) as assistant:
        answer = assistant.ask(words_of(1))
    counted = setup.metrics()
    counted.count_papers(lambda: 12)
    body, media_type = counted.render()
    found = values(body)
    assert media_type.startswith("text/plain")
    assert found["citewell_questions_total", "answered"] == 2
    assert found["citewell_questions_total", "nothing_relevant"] == 1
    assert found["citewell_question_seconds_count", ""] == 3
    assert found["citewell_stage_seconds_count", "retrieve"] == 3
    assert found["citewell_papers", ""] == 12
    assert found["citewell_model_tokens_total", "prompt,scripted"] == answer.usage["prompt_tokens"]
    rejected = {
        label: value for (name, label), value in found.items() if name == "citewell_sentences_rejected_total"
    }
    assert sum(rejected.values()) == len(answer.rejected) and rejected


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    body, media_type = QuestionMetrics().render("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text") and body.endswith(b"# EOF\n")


# --- traces ----------------------------------------------------------------------------------------------


class Collector:
    """An OTLP collector on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                assert self.headers["content-type"] == "application/x-protobuf"
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def spans(self) -> dict[str, Any]:
        return {
            span.name: span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def attributes(span: Any) -> dict[str, object]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in span.attributes}


def test_a_question_is_one_trace_with_a_span_for_each_step(
    data_dir: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with opened(data_dir) as assistant, observing.request("r-9"):
        answer = assistant.ask(words_of(1))
    setup.spans().provider.force_flush()  # type: ignore[attr-defined]
    spans = collector.spans
    names = ["question", "understand", "retrieve", "gate", "draft", "verify"]
    assert sorted(spans) == sorted(f"citewell.{name}" for name in names)
    whole = spans["citewell.question"]
    told = attributes(whole)
    assert (told["citewell.request_id"], told["citewell.outcome"], told["citewell.papers"]) == (
        "r-9",
        "answered",
        12,
    )
    assert told["citewell.sentences"] == len(answer.sentences)
    steps = [spans[f"citewell.{name}"] for name in names[1:]]
    assert all((step.parent_span_id, step.trace_id) == (whole.span_id, whole.trace_id) for step in steps)
    assert [step.start_time_unix_nano for step in steps] == sorted(
        step.start_time_unix_nano for step in steps
    )
    assert attributes(steps[1])["citewell.matched"] == answer.coverage.matched
    resource = collector.requests[0].resource_spans[0].resource
    assert attributes(resource)["service.name"] == "citewell"
    sent = b"".join(request.SerializeToString() for request in collector.requests)
    assert paper(1).title.encode() not in sent and b"measured" not in sent


def test_a_failed_question_is_a_failed_span(
    data_dir: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.url}/v1/traces")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "papers")
    with opened(data_dir, model=ScriptedModel(GenerationError("down", "server"))) as assistant:
        assistant.ask(words_of(1))
    setup.spans().provider.force_flush()  # type: ignore[attr-defined]
    assert collector.spans["citewell.question"].status.code == 2
    resource = collector.requests[0].resource_spans[0].resource
    assert attributes(resource)["service.name"] == "papers"


# --- off -------------------------------------------------------------------------------------------------


def test_nothing_is_imported_for_what_is_off(data_dir: Path) -> None:
    code = (
        "import sys, citewell.assistant\n"
        f"a = citewell.assistant.Assistant.open({str(data_dir)!r}, create=False); a.close()\n"
        "print({'prometheus_client', 'opentelemetry.sdk'} & sys.modules.keys())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment
    )
    assert ran.stdout.strip() == "set()", ran.stderr


def test_a_missing_extra_is_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "citewell.observing.metrics", None)
    with pytest.raises(
        MissingExtraError, match="CITEWELL_METRICS asks for .* pip install 'citewell\\[observe\\]'"
    ):
        opened(data_dir, metrics=True)
    monkeypatch.setitem(sys.modules, "citewell.observing.spans", None)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    told: list[str] = []
    with opened(data_dir, notify=told.append) as assistant:  # set for other programs, perhaps
        assert assistant.ask(words_of(1)).sentences
    assert len(told) == 1 and "pip install 'citewell[observe]', or unset it" in told[0]


@pytest.mark.parametrize("value, off", [("true", True), ("TRUE ", True), ("false", False)])
def test_the_standard_switch_turns_traces_off(monkeypatch: pytest.MonkeyPatch, value: str, off: bool) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    assert setup.traced() is not off
