"""Follow-ups: a question that leans on earlier turns, made to stand on its own.

`rewrite` does it by rules, in English. `accept` takes a language model's wording of it, if that invents nothing;
`bounded` and `transcript` give the model the earlier turns.
"""

from citewell.conversation.history import accept, bounded, transcript
from citewell.conversation.rewriting import Standalone, rewrite

__all__ = ["Standalone", "accept", "bounded", "rewrite", "transcript"]
