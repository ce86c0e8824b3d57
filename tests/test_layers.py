"""Imports go one way: a module of citewell imports from its own layer or the layers before it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import citewell
import pytest

PACKAGE = Path(citewell.__file__).parent
LAYERS: list[set[str]] = [
    {"errors", "types", "commands", "durable"},
    {"settings", "text", "linear", "circling", "vector_index"},
    {"corpus", "prompts", "sample", "chunking", "planted"},
    {
        "hub",
        "library",
        "embedding",
        "store",
        "llm",
        "live",
        "chroma_wire",
        "chroma_server",
        "chroma_generation",
    },
    {"beside", "index", "indexing", "ingest", "publishing", "served"},
    {"inputs"},
    {"reranking", "retriever", "question", "parts", "spelling"},
    {"evidence", "interaction", "gate", "findings", "citations"},
    {"sources", "replies", "verification", "conversation"},
    {"quotes", "cache", "trace"},
    {"author"},
    {"answering"},
    {"turn", "observing"},
    {"transfer", "maintenance"},
    {"assistant", "rerun"},
    {"llama_index", "doctor", "terminal", "chat"},
    {"browser"},
    {"cli"},
]
LAYER = {module: number for number, modules in enumerate(LAYERS) for module in modules}
EXEMPT = {"__init__", "__main__"}  # the front door and `python -m citewell` see everything
ONLY_IN = {
    "chromadb": {"store", "chroma_wire", "chroma_server", "chroma_generation"},
    "sqlite3": {"library", "cache"},
    "gradio": set[str](),
    "citewell_eval": set[str](),
    "citewell_ui": set[str](),
}


def imports(source: str, package: str) -> Iterator[str]:
    """Everything the source of a module of `package` imports, wherever in it, as absolute dotted names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def faults(module: str, source: str, package: str = "citewell") -> list[str]:
    """What is wrong with the imports of `module`, the name below citewell of a file or a folder."""
    if module in EXEMPT:
        own_layer = len(LAYERS)
    elif module in LAYER:
        own_layer = LAYER[module]
    else:
        return [f"{module} is in no layer; add it to LAYERS in {Path(__file__).name}"]
    found = []
    for name in imports(source, package):
        top, _, rest = name.partition(".")
        if top in ONLY_IN and module not in ONLY_IN[top]:
            found.append(
                f"{module} imports {name}, which only {sorted(ONLY_IN[top]) or 'other packages'} may"
            )
        if top == "citewell" and LAYER.get(rest.partition(".")[0], len(LAYERS)) > own_layer:
            found.append(f"{module} imports {name}, which is above it")
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_module_imports_only_from_its_layer_or_below(path: Path) -> None:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    assert faults(parts[0], path.read_text(), ".".join(["citewell", *parts[:-1]])) == []


@pytest.mark.parametrize(
    "module, source",
    [
        ("store", "from citewell.retriever import Retriever"),
        ("store", "from citewell import retriever"),
        ("store", "import citewell.cli"),
        ("store", "from . import cli"),
        ("store", "from .cli import main"),
        ("store", "from citewell import Assistant"),
        ("store", "def late():\n    from citewell.answering import draft"),
        ("index", "import chromadb.config"),
        ("doctor", "from sqlite3 import sqlite_version"),
        ("cli", "import gradio"),
        ("__main__", "from citewell_eval import cli"),
        ("unheard_of", "import json"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert len(faults(module, source)) == 1


@pytest.mark.parametrize(
    "module, source, package",
    [
        ("cli", "from citewell.assistant import Assistant", "citewell"),
        ("library", "from .schema import TABLES\nfrom ..errors import CollectionError", "citewell.library"),
        ("library", "import sqlite3", "citewell.library"),
        ("index", "from citewell.ingest import read\nfrom . import store", "citewell"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str, package: str) -> None:
    assert faults(module, source, package) == []


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    code = "import citewell.cli, sys; print({'llama_index', 'openai', 'gradio'} & sys.modules.keys())"
    started = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stderr
    assert started.stdout.strip() == "set()"
