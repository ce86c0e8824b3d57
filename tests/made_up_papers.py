"""Made-up papers, what a good model says of them in its own words, and how that is falsified."""

from __future__ import annotations

from dataclasses import dataclass

from citewell.types import Paper

PAPERS = {
    paper.paper_id: paper
    for paper in (
        Paper(
            "Marlin: Sparse Routing for Long Documents",
            "Reading long documents is costly for dense encoders. We introduce Marlin, an encoder that routes each "
            "token to 8 of 128 experts. Marlin reads documents of up to 64,000 tokens on one GPU and needs 41% less "
            "memory than Longbow. On the ParlaQA benchmark Marlin answers 71.4% of the questions, while Longbow "
            "answers 64.9%. Inference takes 20ms per page, which is 85× faster than re-reading the document.",
            "marlin",
            url="https://papers.example/marlin",
        ),
        Paper(
            "Kestrel Cells: Fast Charging Without Plating",
            "Lithium plating limits how fast a battery can be charged. The Kestrel cell charges to 80% in 9 minutes "
            "at -20 °C and keeps 92% of its capacity after 1,500 cycles. A coating of tin lowers the overpotential of "
            "the anode from 110 mV to 35 mV. Cells with a graphite anode lose 30% of their capacity after 400 cycles. "
            "No plating was observed in any Kestrel cell.",
            "kestrel",
        ),
        Paper(
            "Methane From Thawing Tundra",
            "We measured methane at 46 plots in northern Lapland between 2009 and 2021. Wet plots emitted more methane "
            "than dry plots in every summer. Emissions rose by 17% per degree of warming in the soil. Grazing by "
            "reindeer reduced the emissions of wet plots. Drainage did not change the emissions of dry plots.",
            "tundra",
            url="https://papers.example/tundra",
        ),
        Paper(
            "Sorbinol in Adults With Chronic Gout: a Randomised Trial",
            "We randomised 412 adults with chronic gout to sorbinol or febuxostat. Sorbinol lowered serum urate by "
            "2.1 mg/dL and febuxostat by 1.4 mg/dL within 12 weeks. Sorbinol did not increase the risk of heart "
            "failure. Nausea was more frequent with sorbinol than with febuxostat, and 7 patients stopped treatment.",
            "sorbinol",
        ),
        Paper(
            "Quarry-7B: a Small Model for Systems Languages",
            "Quarry-7B is a language model trained on 310 billion tokens of Rust and Zig. It solves 58.2% of the "
            "problems of RustBench, where GPT-4 solves 66.0%. Removing type information from the training data lowers "
            "its accuracy by 12 points. Quarry-7B generates code faster than GPT-4 but is less accurate.",
            "quarry",
            url="https://papers.example/quarry",
        ),
        Paper(
            "Halyard: Untying Knots With a Single Arm",
            "Halyard learns to untie knots with a single robot arm. It is trained in simulation on 12 kinds of rope "
            "and transfers to a real arm without fine-tuning. Halyard unties 18 of 20 knots, while the baseline "
            "RopeNet unties 11. Tactile sensing helps more than a second camera.",
            "halyard",
        ),
        Paper(
            "A Dim Companion of the Dwarf Vesper-9",
            "We report a dim companion of the dwarf star Vesper-9, found with the Orrin telescope. The companion has a "
            "mass of 3.8 Jupiter masses and orbits the star once in 412 days. Its temperature is 640 K. The spectrum "
            "shows water but no carbon dioxide.",
            "vesper",
        ),
        Paper(
            "Thrush: Streaming Speech Recognition on Telephones",
            "Thrush transcribes speech on a telephone while it is spoken. Trained on 9,400 hours of speech, it reaches "
            "a word error rate of 5.3% on CallHub with a latency of 160 ms. Quantising the weights to 4 bits increases "
            "the word error rate by 0.4 points. The streaming model is less accurate than the offline model.",
            "thrush",
            url="https://papers.example/thrush",
        ),
    )
}


@dataclass(frozen=True)
class Fact:
    """What a paper says, a question about it, a faithful sentence, and the words it rests on."""

    paper: str
    question: str
    sentence: str
    quote: str


FACTS = tuple(
    Fact(*row)
    for row in (
        ("marlin", "How much memory does Marlin need compared with Longbow?",
         "Marlin needs 41 percent less memory than Longbow.", "needs 41% less memory than Longbow"),
        ("marlin", "How long can the documents be that Marlin reads on one GPU?",
         "On one GPU, Marlin can read documents of up to 64,000 tokens.",
         "Marlin reads documents of up to 64,000 tokens on one GPU"),
        ("marlin", "How well does Marlin do on the ParlaQA benchmark?",
         "On ParlaQA, Marlin answers 71.4% of the questions and Longbow 64.9%.",
         "On the ParlaQA benchmark Marlin answers 71.4% of the questions, while Longbow answers 64.9%."),
        ("marlin", "How long does Marlin's inference take per page?",
         "Marlin's inference takes 20 ms per page, 85x faster than reading the document again.",
         "Inference takes 20ms per page, which is 85× faster than re-reading the document."),
        ("marlin", "How many experts does Marlin route a token to?",
         "Marlin is an encoder that sends every token to 8 of its 128 experts.",
         "an encoder that routes each token to 8 of 128 experts"),
        ("kestrel", "How fast does the Kestrel cell charge in the cold?",
         "At -20 °C, the Kestrel cell charges to 80% in 9 minutes.",
         "The Kestrel cell charges to 80% in 9 minutes at -20 °C"),
        ("kestrel", "How much capacity does the Kestrel cell keep?",
         "After 1500 cycles the Kestrel cell still has 92 % of its capacity.",
         "keeps 92% of its capacity after 1,500 cycles"),
        ("kestrel", "What does the coating of tin do to the overpotential of the anode?",
         "A tin coating lowers the anode's overpotential from 110 mV to 35 mV.",
         "A coating of tin lowers the overpotential of the anode from 110 mV to 35 mV."),
        ("kestrel", "Was plating observed in Kestrel cells?",
         "Plating was not observed in any Kestrel cell.", "No plating was observed in any Kestrel cell."),
        ("tundra", "Where was methane measured in the tundra, and when?",
         "Methane was measured at 46 plots in northern Lapland from 2009 to 2021.",
         "We measured methane at 46 plots in northern Lapland between 2009 and 2021."),
        ("tundra", "Do wet plots or dry plots emit more methane?",
         "In every summer, wet plots emitted more methane than dry ones.",
         "Wet plots emitted more methane than dry plots in every summer."),
        ("tundra", "How much do methane emissions rise with warming of the soil?",
         "Methane emissions rose by 17% per degree of warming in the soil.",
         "Emissions rose by 17% per degree of warming in the soil."),
        ("tundra", "What does grazing by reindeer do to methane emissions?",
         "Reindeer grazing reduced the emissions of wet plots.",
         "Grazing by reindeer reduced the emissions of wet plots."),
        ("sorbinol", "How much does sorbinol lower serum urate?",
         "Within 12 weeks, sorbinol lowered serum urate by 2.1 mg/dL and febuxostat by 1.4 mg/dL.",
         "Sorbinol lowered serum urate by 2.1 mg/dL and febuxostat by 1.4 mg/dL within 12 weeks."),
        ("sorbinol", "Does sorbinol increase the risk of heart failure?",
         "The risk of heart failure did not increase with sorbinol.",
         "Sorbinol did not increase the risk of heart failure."),
        ("sorbinol", "Is nausea more frequent with sorbinol or febuxostat?",
         "Nausea was more frequent with sorbinol than with febuxostat.",
         "Nausea was more frequent with sorbinol than with febuxostat"),
        ("quarry", "What was Quarry-7B trained on?",
         "Quarry-7B was trained on 310 billion tokens of Rust and Zig code.",
         "Quarry-7B is a language model trained on 310 billion tokens of Rust and Zig."),
        ("quarry", "How many problems of RustBench does Quarry-7B solve?",
         "Quarry-7B solves 58.2% of the RustBench problems, while GPT-4 solves 66.0%.",
         "It solves 58.2% of the problems of RustBench, where GPT-4 solves 66.0%."),
        ("quarry", "What happens when type information is removed from the training data of Quarry-7B?",
         "Removing type information from the training data costs Quarry-7B 12 points of accuracy.",
         "Removing type information from the training data lowers its accuracy by 12 points."),
        ("quarry", "Is Quarry-7B faster than GPT-4?",
         "Quarry-7B generates code faster than GPT-4, but it is less accurate.",
         "Quarry-7B generates code faster than GPT-4 but is less accurate."),
        ("halyard", "How many knots does Halyard untie?",
         "Halyard unties 18 of 20 knots and the baseline RopeNet unties 11.",
         "Halyard unties 18 of 20 knots, while the baseline RopeNet unties 11."),
        ("halyard", "Does Halyard transfer to a real arm?",
         "Trained in simulation on twelve kinds of rope, Halyard transfers to a real arm without fine-tuning.",
         "It is trained in simulation on 12 kinds of rope and transfers to a real arm without fine-tuning."),
        ("halyard", "Does tactile sensing or a second camera help Halyard more?",
         "Tactile sensing helps more than a second camera does.",
         "Tactile sensing helps more than a second camera."),
        ("vesper", "What is the mass of the companion of Vesper-9?",
         "The companion of Vesper-9 has a mass of 3.8 Jupiter masses and an orbit of 412 days.",
         "The companion has a mass of 3.8 Jupiter masses and orbits the star once in 412 days."),
        ("vesper", "What does the spectrum of the companion of Vesper-9 show?",
         "Its spectrum shows water but not carbon dioxide.", "The spectrum shows water but no carbon dioxide."),
        ("thrush", "What is the word error rate of Thrush on CallHub?",
         "On CallHub, Thrush has a word error rate of 5.3% and a latency of 160 ms.",
         "it reaches a word error rate of 5.3% on CallHub with a latency of 160 ms"),
        ("thrush", "What does quantising the weights of Thrush to 4 bits cost?",
         "Quantising the weights to four bits increases the word error rate by 0.4 points.",
         "Quantising the weights to 4 bits increases the word error rate by 0.4 points."),
        ("thrush", "Is the streaming model of Thrush as accurate as the offline model?",
         "The streaming model is less accurate than the offline one.",
         "The streaming model is less accurate than the offline model."),
    )
)  # fmt: skip

# What makes a faithful sentence false: "old>new" puts the one for the other, "one<>other" exchanges the two.
EDITS = {
    kind: tuple(edit.strip() for edit in edits.replace("\n", " ").split("|"))
    for kind, edits in {
        "wrong unit": """
            20 ms>20 s | 20 ms>20 minutes | 160 ms>160 seconds | 110 mV to 35 mV>110 V to 35 V |
            110 mV to 35>110 to 35 V | 9 minutes>9 hours | 9 minutes>9 seconds | 412 days>412 years |
            2.1 mg/dL>2.1 g/dL | 12 weeks>12 months | 3.8 Jupiter>3.8 Earth | 1500 cycles>1500 years |
            92 %>92 | 92 %>92 percentage points | 58.2%>58.2 | 0.4 points>0.4% | 41 percent>41 GB |
            310 billion>310 million | 310 billion>310 trillion | 64,000>64 | 85x>85%""",
        "wrong sign": """
            -20 °C>20 °C | -20 °C>+20 °C | 71.4%>-71.4% | 17%>-17%""",
        "wrong bound": """
            up to 64,000>more than 64,000 | up to 64,000>at least 64,000 | 46 plots>over 46 plots""",
        "counts something else": """
            64,000 tokens>64,000 sentences | 18 of 20 knots>20 of 18 knots | 46 plots>46 lakes""",
        "wrong name": """
            Longbow>BigBird | Longbow>Longformer | Marlin needs>Marlin-XL needs | Marlin can>Marlin2 can | ParlaQA>SQuAD
            | ParlaQA>ParlaQB | GPU>TPU | Kestrel>Merlin | Lapland>Siberia | Lapland>Norway |
            GPT-4>GPT-5 | GPT-4>Claude | GPT-4>GPT-3.5 | RustBench>HumanEval | Quarry-7B>Quarry-13B |
            Zig>Haskell | Zig>C++ | RopeNet>KnotNet | Jupiter>Saturn | Vesper-9>Vesper-8 |
            CallHub>LibriSpeech | CallHub,>CallHub at Stanford, | Thrush>Whisper | Halyard>HALYARD-v2 |
            companion of>planet, named by Keller et al., of | points.>points, as the WHO confirmed. |
            mg/dL.>mg/dL (FDA).""",
        "wrong thing": """
            febuxostat>allopurinol | heart failure>stroke | gout>diabetes | Reindeer grazing>Mowing |
            wet plots.>lakes. | carbon dioxide>oxygen | tin coating>gold coating | robot arm>robot hand
            | memory>energy | Nausea>Fever | methane>nitrogen | type information>comments |
            a second camera>a microphone | knots>doors | overpotential>weight | serum urate>blood sugar
            | documents>films | charges>cools | capacity>colour""",
        "swapped": """
            Marlin<>Longbow | wet plots<>dry ones | sorbinol<>febuxostat | Quarry-7B<>GPT-4 |
            Halyard<>RopeNet | Tactile sensing<>a second camera | streaming<>offline | 110 mV<>35 mV |
            water<>carbon dioxide""",
        "reversed": """
            less memory>more memory | 85x faster>85x slower | lowers the anode's>raises the anode's |
            was not observed>was observed | more methane>less methane | emissions rose>emissions fell |
            grazing reduced>grazing increased | lowered serum>raised serum | did not increase>increased
            | more frequent>less frequent | was trained>was never trained |
            costs Quarry-7B 12 points>gains Quarry-7B 12 points | code faster>code slower |
            less accurate>more accurate | without fine-tuning>only after fine-tuning |
            helps more>helps less | not carbon>also carbon | increases the word>lowers the word |
            in any Kestrel>in every Kestrel | Halyard unties 18>Halyard fails to untie 18 |
            still has>has lost | reduced the emissions>did not reduce the emissions |
            transfers to>does not transfer to | has a mass>does not have a mass | can read>cannot read""",
    }.items()
}
