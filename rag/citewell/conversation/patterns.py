"""The English of follow-ups, as regular expressions over one line of text."""

from __future__ import annotations

import re

from citewell.text import content_stems


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_AUX = (
    r"(?:is|are|was|were|does|do|did|can|could|will|would|has|have|had|should|may|might|(?:is|are|was|does"
    r"|do|did|ca|could"
    r"|wo|would)n't|(?<=what)'s|(?<=how)'s|(?<=who)'s|(?<=where)'s|(?<=why)'s)"
)
_ONE = (
    r"(?:paper|work|study|article|publication|method|approach|technique|model|algorithm|framework|system"
    r"|network"
    r"|architecture|solution|idea|trick|proposal|scheme|one|strategy|procedure|tool|thing|source)"
)
_MANY = (
    r"(?:papers|works|studies|articles|publications|methods|approaches|techniques|models|algorithms"
    r"|frameworks|systems"
    r"|networks|architectures|solutions|ideas|proposals|schemes|ones|strategies|procedures|tools|things"
    r"|sources)"
)
_THING = rf"(?:{_ONE}|{_MANY})"
_PREPOSITION = (
    r"(?:on|for|with|in|under|at|from|without|against|over|using|versus|vs\.?|by|to|through"
    r"|compared\s+(?:to|with))"
)
_WH_PHRASE = r"(?:what|which|who|whom|whose|where|when|why|how)(?:\s+[\w%/-]+){0,4}?"
_THEM = r"(?:them|these|those)"

LEAD = _compiled(
    r"^(?:(?:(?P<joining>and|but)|so|ok(?:ay)?|also|then|now|well|hm+|thanks|thank\s+you|great|nice|cool"
    r"|interesting"
    r"|i\s+see|right|yes|no|please)\b[,.!:]*\s+)+"
)
# What follows "and" in "and LLM4DSR?": something to put in the place of what was asked about.
BARE_WHAT = _compiled(
    rf"(?!{_PREPOSITION}\b|more\b|others?\b|another\b|really\b|details\b|then\b|thank)"
    rf"(?:(?!(?:{_AUX}|what|which|who|where|when|why|how|explain|compare|tell|show"
    rf"|give)\b)[\w@+.'’-]+\s?){{1,4}}\W*"
)

# --- set phrases, matched whole ------------------------------------------------------------------------

DIFFERENCE = _compiled(
    rf"(?:what(?:\s+is|'s)\s+the\s+difference|how\s+do\s+(?:they|{_THEM}|both)\s+(?:differ|compare)"
    rf"|compare\s+(?:{_THEM}|both|the\s+two))\W*"
)
MORE = _compiled(
    r"(?:(?:tell|show|give)\s+me\s+)?(?:more|anything\s+else|what\s+else|go\s+on|continue|elaborate"
    r"|(?:more\s+)?details"
    r"|more\s+(?:information|about\s+(?:it|that|this)))(?:\s+please)?\W*"
)
OTHERS = _compiled(
    rf"(?:are\s+there\s+)?(?:any\s+|some\s+|which\s+|what\s+)?(?:(?:others?|more)(?:\s+of\s+{_THEM}"
    rf"|\s+{_THING})?"
    rf"|another(?:\s+{_THING})?)(?:\s+like\s+(?:it|this|that))?\W*"
)
LISTED = _compiled(r"^((?:which|what|are\s+there(?:\s+any)?)\s+)(?:other\s+)?")
AGAIN = _compiled(
    r"(?:are\s+you\s+(?:really\s+)?(?:sure|certain)(?:\s+(?:about|of)\s+(?:it|that|this))?|really|says\s+who"
    r"|is\s+(?:it|that|this)\s+(?:really\s+)?(?:right|true|correct|so)|how\s+do\s+you\s+know(?:\s+(?:that"
    r"|this))?"
    r"|(?:what\s+is|what's|where\s+is)\s+the\s+evidence(?:\s+for\s+(?:it|that|this))?)\W*"
)
SIMPLER = _compiled(
    r"(?:(?:please|can\s+you|could\s+you)\s+)?(?:(?:explain|say|put|phrase|rephrase|summari[sz]e|shorten"
    r"|simplify)"
    r"(?:\s+(?:it|that|this))?(?:\s+(?:again|to\s+me|for\s+me))*(?:\s+(?:more|in|as|like|briefly|simply"
    r"|shortly)\b.*)?"
    r"|in\s+(?:other|simple|simpler|plain|short)\s*\w*|eli5|simpler|what\s+does\s+(?:it|that|this)\s+mean"
    r"|what\s+do\s+you\s+mean(?:\s+by\s+(?:that|this))?|i\s+do(?:n't|\s+not)\s+(?:get"
    r"|understand)(?:\s+(?:it|that|this))?"
    r")\W*"
)
BARE_WH = _compiled(
    r"(?P<wh>why(?:\s+not|\s+so|\s+is\s+that)?|how(?:\s+so|\s+come|\s+is\s+that(?:\s+possible)?)?"
    r"|(?:by\s+)?how\s+(?:much|many|often|long|fast|far)|since\s+when|when|where|who|what\s+for"
    r"|in\s+what\s+way|than\s+what"
    rf"|{_PREPOSITION}\s+(?:what|which|whom|how\s+many)(?:\s+(?!{_AUX}\b)[\w-]+){{0,3}})\W*"
)
WHY = _compiled(r"(?:why|how\s+so|how\s+come|how\s+is\s+that|what\s+for)\b.*")
# Questions that "why" or "by how much" can be put before: "Does X do Y", "How does X do Y".
VERB_FIRST = _compiled(rf"(?:(?:how|why|when|where)\s+)?(?={_AUX}\b)")
LINKED_BY = _compiled(rf"(?P<measure>how\s+(?:fast|long|far))|{_PREPOSITION}\s")
# What a rule below puts around a question, which must not pile up.
ADDED = _compiled(
    r"^explain\s+more\s+simply:\s+|,\s+and\s+(?:why|how|when|where|who|than|by|since)\b[^,]{0,30}$"
)

# --- one part of the question before, changed ----------------------------------------------------------

ABOUT = _compiled(r"(?:(?:how|what)\s+about|what\s+of|(?:the\s+)?same\s+for)\s+(?P<what>[^?]{1,80}?)\W*")
PREPOSITIONAL = _compiled(rf"(?P<what>{_PREPOSITION}\s+[^?,]{{1,60}}?)\W*")
THAN = _compiled(r"(?P<what>(?:(?!other\b|rather\b)\w+er|worse|(?:more|less)\s+\w+)\s+than\s+[^?]{1,60}?)\W*")
HAS_VERB = _compiled(rf"\b{_AUX}\b")
DEFINITION = _compiled(r"(?:what(?:\s+is|\s+are|'s)|define|explain|describe|tell\s+me)\b")

METHODS = _compiled(rf"{_MANY}\b")
OWN = _compiled(r"^(?:its|their)\s+")
ASKS = _compiled(rf"(?:{_PREPOSITION}\s+)?(?:what|which|who|whom|whose|where|when|why|how|{_AUX})\b")

# --- pointing at something -----------------------------------------------------------------------------

NUMBERED = _compiled(
    r"\[(?P<bracket>\d{1,2})\]"
    r"|\b(?:source|number|no\.|nr\.?|paper|reference|citation|result"
    r"|item)\s*#?\s*(?P<number>\d{1,2})\b(?![.,]?\d|%)"
    r"|(?<!\w)#(?P<hash>\d{1,2})\b"
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
PLACES = {word: (place, place + 1) for place, word in enumerate(ORDINALS)}
PLACES |= {"former": (0, 1), "two": (0, 2), "three": (0, 3), "four": (0, 4)}
_COUNTED = (
    r"(?:layers?|steps?|stages?|terms?|parts?|phases?|components?|moments?|orders?|cases?|times?|epochs?"
    r"|iterations?|frames?"
    r"|blocks?|rows?|columns?|words?|tokens?|two|three|few|years?|authors?|places?|sides?|hand|names?|half"
    r"|generations?"
    r"|class(?:es)?|tasks?|numbers?|kinds?|types?|points?|levels?|rounds?|ways?|days?)"
)
ORDINAL = _compiled(
    rf"\bthe\s+(?P<ordinal>{'|'.join(ORDINALS)}|last|final|previous|former|latter|other)"
    rf"(?:(?:\s+{_THING})?\s+of\s+{_THEM}\b|\s+{_THING}\b|(?=\W*$|,|\s+(?:{_AUX}|(?:fast|slow|bett|cheap|larg"
    r"|small|simpl|easi|hard|new|old)er|worse|more|less|than|(?:and|or)\s+the)\b))"
    r"|\bthe\s+(?P<rest>others)\b"
    rf"|\bthe\s+first\s+(?P<count>two|three|four)(?=\W*$|\s+(?:{_MANY}|{_AUX})\b)(?:\s+{_MANY})?"
    r"|\bthe\s+(?P<one_of_two>former|latter)\b"
    rf"|(?<=(?:does|.did|.can|will)\s)the\s+(?P<place>{'|'.join(ORDINALS)})(?=\s+(?!{_COUNTED}\b)[a-z]+\s+\w)"
)
SET = _compiled(
    r"\b(?P<quantity>both|all|any|either|each|none|which|the\s+two)(?:\s+of)?\s+"
    rf"(?:{_THEM}(?!\s+(?:two\s+)?{_MANY})(?:\s+two)?|the\s+two|(?:(?:the|these"
    rf"|those)\s+)?(?:two\s+)?(?:papers|methods|approaches|models)(?=\W*$|\s+{_AUX}\b))"
    r"|\bthe\s+(?P<all>papers|methods|approaches)(?=\s+(?:have|differ|compare|share|agree)\b)"
    rf"|\b(?P<between>between)\s+(?:them|the\s+two)\b"
    rf"|^(?P<aux>{_AUX})\s+both\b(?:\s+of\s+{_THEM})?(?!.*\band\b)"
)
WHICH_IS = _compiled(r"^which\s+(?:one\s+)?(?=(?:is|was|has|does|needs|uses|works|performs|runs|gives)\b)")
_OLD = r"(?:(?:new|same|proposed|last|two)\s+)?"
_OWNED = r"(?:authors|researchers|data\s?sets?|benchmarks?|experiments|results|(?:source\s+)?code)"
NAMED_THING = _compiled(
    rf"\b(?:(?:this|that|their)\s+{_OLD}"
    rf"(?:(?P<one>{_ONE})(?<!\bwork)|(?P<work>work)(?!\W*$|\s+(?:{_PREPOSITION}|well|when|if)\b))"
    rf"|(?:these|those)\s+{_OLD}(?P<many>{_MANY})|(?:this|that|these|those|their)\s+(?P<owned>{_OWNED}))\b"
)
THE_THING = _compiled(
    r"\bthe\s+(?:(?:proposed|new|same)\s+)?(?:(?P<one>method|approach|paper|article|technique|algorithm"
    r"|framework)"
    r"|(?P<owned>authors|researchers|data\s?set|benchmark|experiments|(?:source\s+)?code))\b"
    r"(?!\s+(?:of|in|for|that|which|called|from|by|behind|on|to|with|about)\s+\w)"
)
THIS_NOUN = _compiled(
    r"\b(?:this|these)\s+(?P<noun>(?!collection|corpus|librar|page|abstract|year|month|week|day|way|kind"
    r"|sort|type"
    r"|case|point|context|setting|time|field|area|topic|subject|question|morning|afternoon|evening|night"
    r"|summer|winter)"
    r"[a-z][a-z-]{2,})\b(?!\W*$)"
)
_THEY = r"(?:it|its|they|them|their|this|that|these|those)"
# A pronoun before which the question has named nothing that it could stand for.
OPENS_WITH_PRONOUN = _compiled(
    rf"^(?:(?:{_PREPOSITION}\s+)?(?:{_WH_PHRASE}\s*)?{_AUX}(?:\s+not)?\s+(?P<subject>{_THEY})\b"
    rf"|(?:who|what)(?:\s+(?:has|have|had))?\s+[a-z]+\s+(?P<object>it|its|them|their)\b"
    r"|(?:(?:please|can\s+you|could\s+you)\s+)?(?:explain|compare|describe|summari[sz]e|define|show|list"
    r"|name|give|find"
    rf"|(?:elaborate|expand)\s+on|(?:tell|show|give)\s+me(?:\s+more)?(?:\s+about)?)\s+(?P<told>{_THEY})\b"
    rf"|(?:(?:{_PREPOSITION}|(?:what|how)\s+about)\s+)?(?P<first>{_THEY})\b)"
)
PRONOUN_AT_END = _compiled(
    rf"\b(?:with|without|of|for|about|on|in|to|than|from|against|behind|by|versus|vs)\s+(?P<end>{_THEY})\W*$"
)
ANY_PRONOUN = _compiled(r"\b(?P<any>it|its|they|them|their)\b")
COMPARES = _compiled(
    r"\b(?:compar\w+|differ\w*|better|worse|[a-z]+er|more|less|than|versus|vs|against|beats?|similar)\b"
)
# "is that better …", "does this work …", against "does this loss …".
STANDS_ALONE = _compiled(
    r"\W*$|\s+(?:\w+er|\w+ed|\w+ly|\w+ing|more|less|also|so|even|still|really|too|a|an|on|in|for|to|with"
    r"|from|at|by|of|than"
    r"|as|when|if|good|fast|slow|new|true|worse|works?|means?|helps?|needs?|takes?|cost|use|compare|differ"
    r"|scale|run|hold"
    r"|apply|change|have|do|be|come|cause|make|require|improve|handle|solve|avoid|reduce|save|cut|relate"
    r"|affect|beat"
    r"|perform|generali[sz]e|due|model-\w+)\b|\s+[\w-]+\W*$"
)
EXPLETIVE = _compiled(
    r"it(?:\s+be)?\s+(?:(?:\w+\s+)?(?:(?:im)?possible|(?:un)?necessary|true|clear|known|worth|hard|easy"
    r"|harder|easier|difficult"
    r"|better|best|enough|feasible|safe|common|important|useful|helpful|good|bad|wise|okay|sensible|likely"
    r"|beneficial"
    r"|required|sufficient|advisable|practical|cheaper|faster)\s+(?:to|that|if|when|whether|for\b.*\bto)\b"
    r"|(?:take|cost|pay|help|hurt|suffice)s?\b[^?]*?\b(?:to|if|whether)\s|matter\b|make\s+sense\b|that\b"
    r"|about\b"
    r"|called\s+when\b|(?:going\s+to\s+)?(?:rain|snow)\b"
    r"|an?\s+(?:pity|shame|problem|mistake|(?:good|bad)\s+(?:idea|sign))\s+(?:to|that)\b)"
)
AUTHORS_DO = _compiled(
    r"they\s+(?:propose|use|test|evaluate|measure|find|report|claim|call|show|train|run|prove|introduce|try"
    r"|argue|suggest"
    r"|study|release|publish|conclude|say|perform|compare|consider|observe|assume|write|do)\b"
)
POSSESSED_AT_END = _compiled(r"\b(?:its|their)\s+(?P<owned>(?:[\w-]+\s+){0,2}[\w-]+)\W*$")

# --- what every paper has ------------------------------------------------------------------------------

WAS_DONE = _compiled(
    rf"(?:{_PREPOSITION}\s+)?(?:which|what|how\s+many|how\s+much)(?:\s+[\w-]+){{1,3}}\s+(?:was"
    rf"|were)\s+(?:used|studied|tested"
    r"|evaluated|reported|reached|compared|tried|run|measured|trained|needed|considered|analy[sz]ed|involved)"
    r"(?:\s+(?:on|with|for|in))?\W*"
)
TRAILING_THEN = _compiled(r"\s+(?:then|there)(?=\W*$)")
ASPECTS = frozenset(
    content_stems(
        """
        result dataset data benchmark accuracy accurate score speed cost memory code parameter limitation
        drawback weakness advantage benefit experiment metric baseline improvement gain overhead training
        inference time test evaluation conclusion finding contribution year title date published gpu
        hardware size number layer assumption proof guarantee theorem complexity available release open
        source repository loss main key idea faster slower better worse big large fast slow expensive
        evaluated tested trained good application domain come need required compare compared wrote download
        take
        """
    )
)
