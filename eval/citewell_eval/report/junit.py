"""A report as JUnit XML, which CI servers show as tests: a suite of measures, one of cases, one of comparisons."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from citewell_eval.outcomes import Outcome
from citewell_eval.report.model import Fault, Report
from citewell_eval.report.wording import Told, change, expected, how_wrong, interval, number, said

# What XML 1.0 cannot hold (section 2.2).
_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: Report) -> str:
    """Returns the report as XML; a case is a failure only where a fault names it."""
    told = Told(report)
    root = Element("testsuites", name=_plain(f"citewell eval {report.suite}"))
    suites = [("measures", _measures(told)), ("cases", _cases(told))]
    if report.comparison is not None:
        suites.append(("comparison", _comparison(told)))
    for name, tests in suites:
        _add_suite(root, name, list(tests))
    _count(root, list(root.iter("testcase")))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _add_suite(root: Element, name: str, tests: list[Element]) -> None:
    suite = SubElement(root, "testsuite", name=name)
    _count(suite, tests)
    suite.extend(tests)


def _count(element: Element, tests: list[Element]) -> None:
    element.set("tests", str(len(tests)))
    element.set("failures", str(sum(test.find("failure") is not None for test in tests)))
    element.set("errors", str(sum(test.find("error") is not None for test in tests)))
    element.set("time", f"{sum(float(test.get('time', '0')) for test in tests):.3f}")


def _measures(told: Told) -> Iterator[Element]:
    wrong: dict[str, list[Fault]] = {}
    for fault in told.report.faults:
        if fault.kind != "regression":
            wrong.setdefault(fault.measure, []).append(fault)
    for measured in told.report.measured:
        name, estimate = measured.measure.name, measured.estimate
        test = _test(name, f"measures.{measured.measure.family}", wrong.pop(name, []))
        limit = told.limit(measured)
        value = f"{number(estimate.value)} [{interval(estimate)}]" + (f", has to be {limit}" if limit else "")
        SubElement(test, "system-out").text = value
        yield test
    for name, faults in wrong.items():
        yield _test(name, "measures", faults)


def _cases(told: Told) -> Iterator[Element]:
    wrong = {outcome.case.id for outcome in told.wrong}
    for outcome in told.report.outcomes:
        faults = told.faults_of.get(outcome.case.id, [])
        failures = faults if outcome.error is None else []  # a test has one result
        test = _test(outcome.case.id, f"cases.{outcome.case.kind}", failures)
        test.set("time", f"{outcome.seconds:.3f}")
        if outcome.error is not None:
            problem = SubElement(test, "error", message=_plain(outcome.error), type="error")
            problem.text = _messages(faults) or None
        if outcome.case.id in wrong:
            SubElement(test, "system-out").text = _plain(_told(outcome))
        yield test


def _comparison(told: Told) -> Iterator[Element]:
    wrong = {fault.measure: fault for fault in told.report.faults if fault.kind == "regression"}
    for name, found in told.changes.items():
        test = _test(name, "comparison", [wrong.pop(name)] if name in wrong else [])
        SubElement(test, "system-out").text = _plain(change(found))
        yield test
    for name, fault in wrong.items():
        yield _test(name, "comparison", [fault])


def _test(name: str, group: str, faults: Sequence[Fault]) -> Element:
    test = Element("testcase", name=_plain(name), classname=_plain(f"citewell.{group}"), time="0")
    if faults:
        failure = SubElement(test, "failure", message=_plain(faults[0].message), type=faults[0].kind)
        failure.text = _messages(faults)
    return test


def _messages(faults: Sequence[Fault]) -> str:
    return _plain("\n".join(fault.message for fault in faults))


def _told(outcome: Outcome) -> str:
    rows = [("wrong", how_wrong(outcome)), ("question", outcome.case.question)]
    rows += expected(outcome)
    rows += [("said", line) for line in said(outcome)]
    return "\n".join(f"{label}: {text}" for label, text in rows)


def _plain(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
