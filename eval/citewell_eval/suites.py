"""Suites: which cases are asked of which collection, and what is asked of the measures, as TOML tables.

[sample]
about = "one line"
corpus = ["sample", "papers.jsonl"]     # files or folders beside the TOML file; "sample" is the packaged collection
cases = ["cases.jsonl"]
baseline = "baseline.json"              # compared with when it is there
[sample.limits]                         # the least, or for measures that should be low the most, that passes
"nDCG@10" = 0.9
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from citewell.errors import UsageError
from citewell.sample import sample_path
from pydantic import BaseModel, ConfigDict, ValidationError

from citewell_eval.cases import Case, check_ids, load_cases

DEFAULT = "sample"
_PACKAGED = Path(__file__).parent / "suites" / "suites.toml"
_CHECKOUT = Path(__file__).parents[1] / "suites" / "suites.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    about: str = ""
    corpus: list[str] = []
    cases: list[str]
    baseline: str | None = None
    limits: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, its files found.

    Attributes:
        name: its name.
        about: in one line what it measures.
        corpus: what is read into a collection; empty where the caller has to say.
        cases: the cases, each id once.
        baseline: the file of an earlier run, None where none is named.
        limits: by measure, the worst value that passes.
    """

    name: str
    about: str
    corpus: tuple[Path, ...]
    cases: tuple[Case, ...]
    baseline: Path | None
    limits: Mapping[str, float]


def suites_file() -> Path:
    """Returns the file of our own suites: the packaged one or, in a checkout, that of `eval/`."""
    return _PACKAGED if _PACKAGED.is_file() else _CHECKOUT


def load_suite(name: str = DEFAULT, file: Path | None = None) -> Suite:
    """Returns a suite of a file, by default of our own.

    Raises:
        UsageError: the file or what it names cannot be read, or holds no such suite.
    """
    path = file or suites_file()
    tables = _read(path)
    if name not in tables:
        close = difflib.get_close_matches(name, tables, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(tables) or 'none'}."
        raise UsageError(f"No suite {name!r} in {path.name}: {hint}")
    try:
        table = _Table.model_validate(tables[name])
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{path}: [{name}] {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    folder = path.parent
    cases = [case for given in table.cases for case in load_cases(folder / given)]
    check_ids(cases, f"Suite {name}")
    corpus = tuple(sample_path() if given == "sample" else folder / given for given in table.corpus)
    baseline = folder / table.baseline if table.baseline else None
    return Suite(name, table.about, corpus, tuple(cases), baseline, table.limits)


def suite_names(file: Path | None = None) -> list[str]:
    """Returns the names of the suites of a file."""
    return list(_read(file or suites_file()))


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"Cannot read the suites {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}.") from error
