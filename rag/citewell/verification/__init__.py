"""The verifier: code that decides which sentences of a language model may be shown."""

from .verifier import verify

__all__ = ["verify"]
