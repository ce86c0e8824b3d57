"""Live sources: papers straight from arXiv, Hugging Face daily papers, OpenAlex and Crossref."""

from .fetching import Clock, Fetcher
from .reading import LiveReader
from .spec import Spec, is_spec, separate

__all__ = ["Clock", "Fetcher", "LiveReader", "Spec", "is_spec", "separate"]
