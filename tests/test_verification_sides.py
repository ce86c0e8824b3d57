"""Which number, side or predicate belongs to what: a lie that exchanges them is withheld, a rewording is shown."""

import pytest
from citewell.chunking import sentence_spans
from citewell.citations import Cited, Claim, Draft, Source
from citewell.types import Paper
from citewell.verification import verify

# A made-up sentence, a faithful rewording of it, and a lie of the same structure.
SAID = [
    (
        "Copper seals leak at 4 bar, while rubber seals leak at 11 bar.",
        "Rubber seals leak at 11 bar, whereas copper seals leak at 4 bar.",
        "Copper seals leak at 11 bar, while rubber seals leak at 4 bar.",
    ),
    (
        "Its drying time for clay is short at about 35 minutes, whereas the older kiln took about 190 minutes.",
        "This kiln dries clay in about 35 minutes, whereas the older kiln took about 190 minutes.",
        "This kiln dries clay in about 190 minutes, whereas the older kiln took about 35 minutes.",
    ),
    (
        "Sparse gardens thrive in dry years and suffer in wet years.",
        "In wet years sparse gardens suffer, and they thrive in dry years.",
        "Sparse gardens thrive in wet years and suffer in dry years.",
    ),
    (
        "Tall hedges shelter sparrows from wind, while low hedges shelter wrens from cats.",
        "Low hedges shelter wrens from cats, and tall hedges shelter sparrows from wind.",
        "Tall hedges shelter wrens from cats, while low hedges shelter sparrows from wind.",
    ),
    (
        "A steep slope leads to a thin crust, and a gentle slope leads to a thick one.",
        "A gentle slope leads to a thick crust, and a steep slope leads to a thin one.",
        "A steep slope leads to a thick crust, and a gentle slope leads to a thin one.",
    ),
    (
        "Barges K7, K8 and K9 carry 120, 245 and 310 crates.",
        "Barge K8 carries 245 crates and barge K9 carries 310.",
        "Barge K8 carries 310 crates.",
    ),
    (
        "Oak, beech and larch shrink by 3.1%, 5.4% and 2.2%, respectively.",
        "Oak shrinks by 3.1% and larch by 2.2%.",
        "Oak shrinks by 2.2% and larch by 3.1%.",
    ),
    (
        "Yield grows from 2.10 to 2.75 tonnes on clay and from 1.30 to 1.95 tonnes on sand.",
        "On sand, yield grows from 1.30 to 1.95 tonnes.",
        "On clay, yield grows from 1.30 to 1.95 tonnes.",
    ),
    (
        "Fogwick reads 82% of the labels, while Dimlight reads 64%.",
        "Dimlight reads 64% of the labels.",
        "Fogwick reads 64% of the labels.",
    ),
    (
        "Rotation lowers erosion by 31% and fuel use by 14%.",
        "Fuel use falls by 14% with rotation.",
        "Rotation lowers erosion by 14%.",
    ),
    (
        "Fernwell improves recall by 8.5% over the older sorter on wet mail.",
        "On wet mail, Fernwell improves recall over the older sorter by 8.5%.",
        "The older sorter improves recall by 8.5% over Fernwell on wet mail.",
    ),
    (
        "Against Coldframe it gains 5.2% in germination.",
        "Warmbed gains 5.2% in germination against Coldframe.",
        "Coldframe gains 5.2% in germination against Warmbed.",
    ),
    (
        "The Sifter is new; it sorts 6 times faster than Riddler and uses little power.",
        "It sorts 6 times faster than Riddler does.",
        "Riddler sorts 6 times faster than the Sifter.",
    ),
    (
        "Grazing geese prefer short grass over tall grass in spring.",
        "In spring, grazing geese prefer short grass over tall grass.",
        "Grazing geese prefer tall grass over short grass in spring.",
    ),
    (
        "Heated rails expand faster than cooled rails do.",
        "Cooled rails expand more slowly than heated rails do.",
        "Heated rails expand more slowly than cooled rails do.",
    ),
    (
        "The paste hardens more slowly when lime is added to the mortar.",
        "When lime is added to the mortar, the paste hardens more slowly.",
        "The paste hardens faster when lime is added to the mortar.",
    ),
    (
        "Larkspur finished the harbour course ahead of boats with larger sails.",
        "Larkspur was ahead of boats with larger sails on the harbour course.",
        "Larkspur finished the harbour course behind boats with larger sails.",
    ),
    (
        "With shaded roots, the saplings stay stable for 40 days, where unshaded saplings collapse.",
        "With shaded roots, the saplings stay stable for 40 days.",
        "With shaded roots, the saplings collapse after 40 days.",
    ),
    (
        "The survey finds no lasting damage; the cracks come from frost in a few walls.",
        "The survey finds cracks from frost in a few walls and no lasting damage.",
        "The survey finds lasting damage in walls and roofs of the town.",
    ),
    (
        "The lower gate stays shut and only about 3% of the water passes the weir.",
        "The lower gate stays shut.",
        "The lower gate does not stay shut.",
    ),
    (
        "The coating neither slows the dryer nor raises the cost of paint.",
        "The coating does not slow the dryer and does not raise the cost of paint.",
        "The coating slows the dryer and raises the cost of paint.",
    ),
    (
        "Scanning one page takes roughly a second, a 30-fold gain over the old scanner.",
        "One page takes about a second of scanning.",
        "Scanning one page takes roughly a millisecond.",
    ),
    (
        "After a frost, the lock opens in about a minute.",
        "The lock takes about one minute to open after a frost.",
        "After a frost, the lock opens in about an hour.",
    ),
    (
        "Bees visit clover before noon and thyme after noon.",
        "Bees visit thyme after noon and clover before noon.",
        "Bees visit thyme before noon and clover after noon.",
    ),
    (
        "The crane first lifts the beam, and then it turns the platform.",
        "The crane lifts the beam first, and then it turns the platform.",
        "The crane first turns the platform, and then it lifts the beam.",
    ),
    (
        "Their loaves are soft, while those of rye-based bakeries are often dense.",
        "The loaves of wheat-based bakeries are soft, while those of rye-based bakeries are often dense.",
        "The loaves of wheat-based bakeries are often dense, while those of rye-based bakeries are soft.",
    ),
    (
        "The pump needs 16 times less oil for winter runs and 9 times less for summer runs.",
        "For summer runs the pump needs 9 times less oil, and for winter runs 16 times less.",
        "The pump needs 9 times less oil for winter runs and 16 times less for summer runs.",
    ),
    (
        "Ponds warm by 2.4 degrees in shade and by 6.8 degrees in sun.",
        "In sun, ponds warm by 6.8 degrees.",
        "In shade, ponds warm by 6.8 degrees.",
    ),
    (
        "The north filter matches K2 between loaded samples and K1 for empty samples.",
        "For empty samples the north filter matches K1, and between loaded samples K2.",
        "The north filter matches K1 between loaded samples and K2 for empty samples.",
    ),
    (
        "The tuned bell falls short of the old bell in loudness.",
        "In loudness, the old bell surpasses the tuned bell.",
        "The tuned bell surpasses the old bell in loudness.",
    ),
]


def passes(sentence: str, abstract: str) -> bool:
    source = Source(1, Paper("Notes of a field station", abstract, "p1"), tuple(sentence_spans(abstract)))
    (verdict,) = verify(Claim(sentence, (Cited(1, abstract),)), [source], None, threshold=0.0)
    return isinstance(verdict, Draft)


@pytest.mark.parametrize(("abstract", "faithful", "lie"), SAID, ids=range(len(SAID)))
def test_a_rewording_is_shown_and_a_lie_of_its_structure_withheld(
    abstract: str, faithful: str, lie: str
) -> None:
    assert passes(abstract, abstract)
    assert passes(faithful, abstract)
    assert not passes(lie, abstract)
