"""Words that turn a statement: which say more or less, make or hinder, better or worse, and which are opposites."""

from __future__ import annotations

from typing import Literal

Family = Literal["amount", "cause", "worth"]

SENSES: dict[tuple[Family, int], str] = {
    ("amount", 1): """increase raise elevate enhance boost amplify grow higher greater larger more upregulate augment
        rise rising rose exceed gain heighten intensify expand strengthen accelerate faster longer bigger stronger
        extend prolong overexpress overexpression abundant excess most highest largest high exacerbate aggravate surge
        maximize maximise widen older later up double triple""",
    ("amount", -1): """decrease reduce lower decline diminish attenuate drop fall fell fallen fewer less smaller
        downregulate shrink lessen weaken slow slower shorter weaker shorten deplete minimize minimise least lowest
        smallest low loss lose mitigate alleviate curb cut limit restrict dampen deficit reduction scarce poor impair
        lack absence delay down decelerate ameliorate relieve lighten narrow halve""",
    ("cause", 1): """promote induce activate stimulate facilitate enable drive trigger support cause initiate permit
        allow favor favour contribute produce lead result require essential necessary crucial important mediate
        dependent responsible associate correlate link predict able""",
    ("cause", -1): """inhibit suppress prevent block impede hinder repress disrupt abolish inactivate deactivate
        antagonize abrogate prohibit silence protect avoid eliminate arrest stop interfere counteract dispensable
        independent unrelated unable unnecessary unaffected struggle fail dissociate unlikely rarely seldom""",
    ("worth", 1): """better superior outperform improve best surpass beneficial effective success successful succeed
        advantage robust outstrip beat benefit efficient accurate good safe""",
    ("worth", -1): """worse inferior underperform degrade worst lag detrimental ineffective unsuccessful harmful harm
        deteriorate poorer inaccurate inefficient bad adverse worsen dangerous unsafe""",
}  # fmt: skip
ANTONYMS = """with/without before/after above/below early/late earlier/later strong/weak positive/negative
    dense/sparse many/few large/small high/low long/short fast/slow simple/complex easy/hard easy/difficult
    common/rare frequent/rare global/local static/dynamic offline/online discrete/continuous supervised/unsupervised
    dependent/independent necessary/unnecessary sufficient/insufficient possible/impossible able/unable same/different
    similar/different presence/absence accept/reject agree/disagree allow/prevent include/exclude open/closed
    public/private internal/external male/female men/women adult/child young/old acute/chronic encoder/decoder
    training/inference human/animal human/machine maximum/minimum maximize/minimize gain/loss win/lose begin/end
    first/last upper/lower left/right single/multiple shallow/deep narrow/broad narrow/wide thin/thick rich/poor
    old/new stable/unstable sensitive/insensitive sensitive/resistant susceptible/resistant always/never all/none
    most/few often/rarely active/passive successful/unsuccessful expensive/cheap costly/cheap advantage/disadvantage
    benefit/harm correct/incorrect true/false safe/dangerous protective/harmful support/refute confirm/refute
    implicit/explicit synthesis/degradation inside/outside near/far forward/backward finite/infinite
    deterministic/stochastic robust/fragile robust/vulnerable underestimate/overestimate seen/unseen known/unknown
    labeled/unlabeled sequential/parallel clean/noisy real/synthetic real/simulated coarse/fine abstractive/extractive
    together/separately combine/separate merge/split best/worst outperform/underperform increase/decrease
    improve/degrade reduce/increase promote/inhibit promote/suppress promote/prevent induce/prevent induce/inhibit
    activate/inhibit activate/suppress enable/prevent cause/prevent stimulate/inhibit stimulate/suppress
    facilitate/hinder facilitate/impede require/dispensable keep/lose keep/lost retain/lose retain/lost"""
