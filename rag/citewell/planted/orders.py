"""Orders: how a text speaks to a reading assistant, by the words that open an order and what follows them."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

# Where the first word of a rule has to stand: where an order begins, where a sentence begins, or anywhere.
Place = Literal["order", "sentence", "anywhere"]


class Rule(NamedTuple):
    """Words that open an order, and what has to follow them directly."""

    place: Place
    heads: str
    tail: re.Pattern[str]


# Patterns are matched against folded text: small letters, no accents, no invisible characters, straight quotes.
_S = r"[^\w.!?]{1,6}+"  # between two words of one sentence


def _rule(place: Place, heads: str, tail: str) -> Rule:
    """Returns a rule; in its tail a space is anything between two words, `~3` up to three words of any kind."""
    pattern = re.sub(r"~(\d)", lambda most: rf"(?:{_S}\w++){{0,{most[1]}}}?", tail)
    return Rule(place, heads, re.compile(pattern.replace(" ", _S)))


_TOLD = (
    r"(?:instructions?|prompts?|rules?|guidelines?|directions?|directives?|commands?|orders|messages|constraints"
    r"|polic(?:y|ies)|questions?|requests?|training|programming|everything|above"
    r"|(?:was|were|is|been) (?:said|told|asked))\b"
)
_REPLY = r"(?:answers?|responses?|repl(?:y|ies)|outputs?|summar(?:y|ies)|reviews?|messages?)\b"
_WORD_OF = (
    r"(?:words?|tokens?|phrases?|passwords?|strings?|codes?|sentences?|links?|urls?|lines?|texts?|names?)\b"
)
_ASSISTANT = (
    rf"(?:ais?|llms?|(?:ai|llm|language|chat|machine)(?:{_S}\w++){{0,2}}?|assistants?|chatbots?"
    r"|(?:language )?models?|bots?|agents?|reviewers?|summari[sz]ers?|gpt|chatgpt)\b"
)
_MUST = r"(?:must|should|shall|will|ought to|(?:has|have|needs?|(?:is|are)(?: (?:required|asked|told|ordered))?) to)"
_WORK = r"(?:paper|abstract|work|article|source|submission|study|manuscript)\b"
_THIS = r"(?:this|these)(?: (?:abstract|paper|text|document|article|page|passage|sentence|message|note|lines?)~3)?"

_RULES = (
    _rule("order", "ignore disregard forget override bypass neglect discard", rf"~6 {_TOLD}"),
    _rule(
        "order",
        "reply respond answer say write print append insert include begin repeat mention add emit",
        r"(?!,)~1 (?:only|just|exactly|solely|nothing|always)\b",
    ),
    _rule(
        "order",
        "output return state type start prefix end finish conclude echo display",
        r"~1 (?:exactly|solely|nothing|(?:only|just|always)(?:\s?:|\s?[\"'][a-z]| (?:with|the|this|an?|yes|no)\b))",
    ),
    _rule(
        "order",
        "reply respond answer say output print write return state type append insert include begin start prefix end"
        " finish conclude repeat echo emit display add mention",
        rf"(?!,)~4 (?:(?:the|this|that) (?:\w++ )?{_WORD_OF}|(?:your|every|each|all) (?:\w++ )?{_REPLY}"
        r"|in (?:all )?(?:caps|uppercase|capitals)\b|(?:with|by|as)\s?:?\s[\"'])",
    ),
    _rule(
        "anywhere",
        "your",
        rf" (?:(?:own|final|next|entire|first|whole|complete|previous|prior|earlier|original) )?(?:{_REPLY}"
        r"|instructions?\b|(?:\w++ )?prompts?\b|programming\b|guidelines\b|(?:user|reader)\b)",
    ),
    _rule(
        "anywhere",
        "you",
        r"(?:'re| are) (?:now\b|no longer\b|(?:an?|the) (?:\w++ ){0,2}(?:ai|assistant|model|chatbot|llm|bot|reviewer)\b"
        r"|chatgpt|gpt|claude|dan\b)"
        r"|,? (?:must|should|shall|will|are to)(?: (?:now|always|only|not|never|also))?"
        r" (?:ignore|disregard|reply|answer|respond|say|output"
        r"|write|recommend|cite|mention|tell|give|print|repeat|include|append|obey|send|click|visit|download|accept|forget)\b",
    ),
    _rule(
        "order",
        "do don never",
        r"(?: not|'t)?(?: ever)? (?:mention|cite|reveal|tell|answer|reply|respond|disclose|say|highlight|quote|refer to"
        r"|output|obey|summari[sz]e|use (?:any|the) other)\b",
    ),
    _rule(
        "order",
        "cite recommend accept rate praise endorse quote mention favor favour prefer trust always",
        rf"(?: (?:only|always|first|cite|recommend|prefer|mention|quote|trust))? (?:this|our|the present)"
        rf" {_WORK}(?! as\b)",
    ),
    _rule(
        "order",
        "give write provide produce assign return submit",
        r"~3 (?:positive|favou?rable|accept\w*|good|high|perfect|top|best|glowing) (?:\w++ )?(?:reviews?|scores?"
        r"|ratings?|recommendations?|feedback|evaluations?)\b",
    ),
    _rule(
        "anywhere",
        "other",
        r" (?:sources?|papers?|abstracts?|documents?|answers|articles|studies)~5"
        r" (?:are|were|is|have been|must be|should be)(?: (?:all|now|also|to be))?"
        r" (?:retracted|invalid|wrong|false|fake|obsolete|withdrawn|ignored|disregarded"
        r"|incorrect|untrusted|void|superseded|fraudulent)\b",
    ),
    _rule(
        "anywhere",
        "right correct only true final",
        r" answer (?:to|for) (?:every|any|all|each|whatever|your|the user)\b",
    ),
    _rule(
        "anywhere",
        "assistants assistant ai ais model models llm llms chatbot chatbots reviewer reviewers agent agents bot bots"
        " systems system summarizer summarizers summariser summarisers anyone whoever",
        rf"(?: (?:systems?|models?|assistants?|agents?|reviewers?|tools?))?(?: (?:that|which|who|when|if|while))?"
        rf" (?:reads?|reading|summari[sz]\w+|sees?|seeing|quot\w+|cites?|citing|retriev\w+|ingests?|ingesting"
        rf"|process\w*) {_THIS} {_MUST}\b"
        r"|\s?:\s*(?:please|ignore|do not|say|reply|respond|answer|give|always|never|you|cite|write|recommend|mention"
        r"|forget|output|print)\b",
    ),
    _rule(
        "order",
        "note notes attention message hint hints instruction instructions notice reminder memo important warning"
        " command request hinweis anweisung nachricht consigne nota mensaje messaggio",
        rf" (?:(?:to|for|an|fur|pour|aux?|para|per|a|ai)(?: \w++){{0,2}}? |(?:all|any|dear) )?"
        rf"(?:{_ASSISTANT}|sprachmodell\w*|ki\b|\w*assistent\w*|modeles?|asistentes?|modelos?|modell[io]|ia\b)"
        r"[^.!?]{0,40}?:",
    ),
    _rule(
        "anywhere",
        "from",
        r" now on,? (?:you|every|each|all|always|answer|reply|respond|say|the assistant)\b",
    ),
    _rule(
        "anywhere",
        "every each all",
        rf" {_REPLY}(?: \w++){{0,4}}? (?:{_MUST}|contains?|begins?|starts?|ends?|includes?)~4 {_WORD_OF}",
    ),
    _rule(
        "anywhere",
        "shown added appended included inserted repeated mentioned append",
        rf" (?:with|in|to|at the \w++ of) (?:every|each|all|any|your) (?:\w++ )?{_REPLY}",
    ),
    _rule(
        "order",
        "reveal repeat print show tell output leak display send disclose",
        r"~4 (?:system prompt|(?:your|the|hidden|secret) (?:\w++ )?"
        r"(?:instructions|passwords?|prompts?|secrets?|credentials))\b",
    ),
    _rule("order", "act behave", r" as (?:an?|if|though|the) (?:you|\w++ you|\w*ai|assistant|expert|user)\b"),
    _rule("order", "pretend", r" (?:to be|that|you)\b"),
    _rule("order", "click", r" (?:here|on|this|the)\b"),
    _rule("order", "tell show give", r" (?:me|the users?|the readers?)\b"),
    _rule(
        "anywhere",
        "ai language",
        r"(?: language)? (?:model|assistant),? (?:i (?:am|must|cannot|will|have|can)|you (?:must|should|will|have))\b",
    ),
    _rule("sentence", "system assistant user developer human", r"\s?:\s"),
    _rule("sentence", "question", r"\s?:[^.!?]{1,120}+[.!?]\s{1,9}answer\s?:"),
    _rule("sentence", "q", r"\s?:[^?]{1,120}+\?\s{1,9}a\s?:"),
    _rule(
        "sentence",
        "explain write draft compose translate tell misspell scramble provide create describe break replace summarize"
        " summarise list rewrite paraphrase compare convert modify integrate",
        r" (?:me|us|an?|the|this|these|your|how|why|what|every|all|down)\b",
    ),
    # German
    _rule(
        "order",
        "ignoriere ignorieren ignoriert vergiss vergesst vergessen missachte missachten",
        r"~6 (?:\w*anweisung\w*|\w*regeln?|\w*vorgaben?|\w*instruktion\w*|\w*befehle?|vorherige\w*"
        r"|bisherige\w*|alles)\b",
    ),
    _rule(
        "order",
        "antworte antwortet antworten sage sag schreibe schreib gib fuge beginne wiederhole nenne",
        r"~4 (?:nur|ausschlie(?:ss|\u00df)lich|stets|immer|mit dem|das wort|dem wort"
        r"|(?:deine\w?|jede\w?|ihre\w?) \w*antwort\w*)\b",
    ),
    _rule("anywhere", "du", r" (?:bist (?:jetzt|nun|ein\w*)|musst|sollst|darfst)\b"),
    # French
    _rule(
        "order",
        "ignore ignorez ignorer oublie oubliez oublier",
        r"~6 (?:instructions?|consignes?|directives?|regles?)\b",
    ),
    _rule(
        "order",
        "reponds repondez repondre dis dites ecris ecrivez ajoute ajoutez",
        r"~4 (?:uniquement|seulement|toujours|le mot|par|que|a (?:chaque|votre|ta) reponse)\b",
    ),
    _rule("anywhere", "tu vous", r" (?:es|etes) (?:maintenant|desormais|un\w*)\b"),
    # Spanish, Portuguese, Italian
    _rule(
        "order",
        "ignora ignore ignoren olvida olvide olviden esqueca ignorate dimentica dimenticate",
        r"~6 (?:instruc\w+|reglas|ordenes|indicaciones|regras|istruzioni|regole|comandi)\b",
    ),
    _rule(
        "order",
        "responde responda respondan di diga escribe escriba rispondi rispondete scrivi scrivete responder",
        r"~4 (?:solo|solamente|unicamente|siempre|apenas|somente|soltanto|sempre|con la|com a|la palabra|la parola)\b",
    ),
    _rule("anywhere", "ahora agora ora", r",? (?:eres|voce e|sei) (?:un\w*|uma?)\b"),
    # Russian, with its letters folded
    _rule(
        "order",
        "игнорируи игнорируите проигнорируи проигнорируите забудь забудьте",
        r"~6 (?:инструкци\w+|указани\w+|правил\w*|команд\w*|все)\b",
    ),
    _rule(
        "order",
        "отвечаи отвечаите ответь ответьте напиши напишите скажи скажите выведи выведите",
        r"~4 (?:только|лишь|всегда|слов\w+)\b",
    ),
)
BY_HEAD: dict[str, list[Rule]] = {}
for _each in _RULES:
    for _head in _each.heads.split():
        BY_HEAD.setdefault(_head, []).append(_each)
ANYWHERE = frozenset(
    head for head, rules in BY_HEAD.items() if any(rule.place == "anywhere" for rule in rules)
)
IDEOGRAPHIC = re.compile(
    "(?:忽略|无视|無視|忘记|忘記|忘掉|不要理会|忽视|忽視)[^。！？\n]{0,20}(?:指令|指示|提示|规则|規則|命令|要求)"
    "|(?:指令|指示|命令|ルール|フロンフト)[^。！？\n]{0,8}(?:無視|忘れ)"
    "|(?:请|請|只|仅|僅)[^。！？\n]{0,6}(?:回答|回复|回覆|输出|輸出)"
    "|你现在是|你現在是"
)
# How a sentence directly behind an order goes on with it.
GOES_ON = re.compile(
    r"^\W*(?:say|give|obey|begin|start|end of|do not|don't|never|always|instead|please|new instructions?|from now on"
    r"|reply|respond|answer|repeat|print|output|write|include|add|append|cite|mention|tell|send|click|visit|go to|act"
    r"|pretend|remember|make sure|follow|ignore|disregard|forget|if asked|failure to|system|assistant|user)\b"
    r"|\b(?:you|your|yours|yourself)\b|\bsystem (?:message|prompt)|\bthese instructions?\b"
    r"|\b(?:every|each|any) (?:reply|answer|response)\b|\b(?:the|any) user\b|\bother sources\b"
)
