"""Looks proposed cases through with somebody on the terminal, and writes what was kept to a file of cases."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from citewell.durable import put_in_place, sync_file
from citewell.errors import UsageError
from citewell.terminal import clean

from citewell_eval.cases import Case, load_cases
from citewell_eval.proposing import REVIEW, Proposal

Read = Callable[[str], str]
Write = Callable[[str], None]

_KEYS = "y keep · n drop · e edit the question · f edit the facts · q stop and keep what was accepted"
_PROMPT = "keep? [y/n/e/f/q] "
_HOW_FACTS = (
    "Facts, each as it stands in an abstract; | between alternatives, ; between facts that must all be said:"
)


def review(proposals: Sequence[Proposal], read: Read, write: Write) -> list[Proposal]:
    """Returns the proposals that somebody keeps, edited and without the tag that asks for review.

    Args:
        proposals: what to show, one after the other.
        read: shows a prompt and returns what is typed, as `input` does; EOFError counts as `q`.
        write: shows a line.
    """
    kept: list[Proposal] = []
    write(_KEYS)
    for number, proposal in enumerate(proposals, 1):
        write(f"\n{number} of {len(proposals)}")
        try:
            judged = _judge(proposal, read, write)
        except EOFError:
            break
        if judged is not None:
            kept.append(judged)
    return kept


def write_cases(path: Path, proposals: Sequence[Proposal], append: bool = False) -> int:
    """Writes the cases of proposals as JSON lines; returns how many.

    The file appears whole or not at all. Cases that are appended get ids that the file does not have yet.

    Raises:
        UsageError: the file exists and is not to be appended to, holds something else than cases, or cannot be
            written.
    """
    target = path.resolve()  # a link stays one
    if not proposals:
        return 0
    exists = target.exists()
    if exists and not append:
        raise UsageError(f"{path} exists already. Name another file, or add to it with --append.")
    before, taken = "", set[str]()
    if exists:
        taken = {case.id for case in load_cases(target)}
        before = target.read_text("utf-8").rstrip("\n") + "\n"
    lines = [
        _line(proposal.case.model_copy(update={"id": _fresh(proposal.case, taken)})) for proposal in proposals
    ]
    try:
        _swap(target, before + "".join(lines), new=not exists)
    except FileExistsError as error:
        raise UsageError(f"{path} was written by another program meanwhile. Name another file.") from error
    except OSError as error:
        raise UsageError(f"Cannot write the cases {path}: {error.strerror}. Name another file.") from error
    return len(lines)


# --- the dialogue --------------------------------------------------------------------------------------


def _judge(proposal: Proposal, read: Read, write: Write) -> Proposal | None:
    """Returns the proposal as it is to be kept, or None where it is dropped.

    Raises:
        EOFError: nothing more is to be looked at.
    """
    _show(proposal, write)
    while True:
        match read(_PROMPT).strip().lower():
            case "y":
                tags = tuple(tag for tag in proposal.case.tags if tag != REVIEW)
                return _changed(proposal, tags=tags)
            case "n":
                return None
            case "q":
                raise EOFError
            case "e":
                proposal = _with_question(proposal, read, write)
            case "f":
                proposal = _with_facts(proposal, read, write)
            case _:
                write(_KEYS)
                continue
        _show(proposal, write)


def _show(proposal: Proposal, write: Write) -> None:
    case = proposal.case
    write(f"  question  {clean(case.question)}")
    for title in case.papers:
        write(f"  paper     {clean(title)}")
    if proposal.sentence:
        write(f"  sentence  {clean(proposal.sentence)}")
    if case.answerable:
        write(f"  facts     {clean('; '.join(' | '.join(group) for group in case.facts))}")
    else:
        write(f"  expected  no answer: {clean(case.why)}")


def _with_question(proposal: Proposal, read: Read, write: Write) -> Proposal:
    typed = clean(read("question: ")).strip()
    if not typed:
        write("The question stays as it is.")
        return proposal
    given = [fact for group in proposal.case.facts for fact in group if fact.casefold() in typed.casefold()]
    if given and proposal.case.kind != "which":
        write(f"The question says “{clean(given[0])}”, which is its answer. It stays as it was.")
        return proposal
    return _changed(proposal, question=typed)


def _with_facts(proposal: Proposal, read: Read, write: Write) -> Proposal:
    if not proposal.case.answerable:
        write("Nothing answers this question, so it has no facts. Edit the question, or drop it.")
        return proposal
    write(_HOW_FACTS)
    typed = [
        [fact.strip() for fact in group.split("|") if fact.strip()] for group in read("facts: ").split(";")
    ]
    groups = tuple(tuple(group) for group in typed if group)
    if not groups:
        write("The facts stay as they are.")
        return proposal
    said = "\n".join(proposal.abstracts).casefold()
    missing = [fact for group in groups for fact in group if fact.casefold() not in said]
    if missing:
        write(f"No abstract of its papers says “{clean(missing[0])}”. The facts stay as they were.")
        return proposal
    return _changed(proposal, facts=groups)


def _changed(proposal: Proposal, **values: object) -> Proposal:
    return replace(proposal, case=proposal.case.model_copy(update=values))


# --- the file ------------------------------------------------------------------------------------------


def _fresh(case: Case, taken: set[str]) -> str:
    """Returns an id that is not taken, and takes it."""
    number = len(taken) + 1
    wanted = case.id
    while wanted in taken:
        wanted, number = f"proposed-{number:03}", number + 1
    taken.add(wanted)
    return wanted


def _line(case: Case) -> str:
    return json.dumps(case.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) + "\n"


def _swap(target: Path, text: str, new: bool) -> None:
    """Writes beside the file and moves it into place; a new one reserves its name first.

    Raises:
        FileExistsError: the file is to be new and is not.
        OSError: it cannot be written.
    """
    if new:
        target.open("x").close()
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=target.parent, delete=False
        ) as file:
            beside = Path(file.name)
            try:
                file.write(text)
                sync_file(file)
                beside.chmod(target.stat().st_mode & 0o777)  # temporary files are their owner's alone
                put_in_place(beside, target)
            except BaseException:
                beside.unlink(missing_ok=True)
                raise
    except BaseException:
        if new:
            target.unlink(missing_ok=True)
        raise
