"""Questions that a collection does not answer: details that an abstract leaves out, and everyday matters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Detail:
    """A detail to ask for: of a name and of a title, the words that would speak of it, and those that it fits."""

    named: str
    titled: str
    words: str
    fits: str
    why: str


_TRAINED = "train trained neural network"
DETAILS = (
    Detail("Which optimiser was used to train {}?", "Which optimiser was used for training in {}?",
            "optimizer optimiser optimization optimize sgd adam adamw momentum gradient descent", _TRAINED,
            "no optimiser is named"),
    Detail("Which learning rate was used to train {}?", "Which learning rate is used in {}?",
            "rate rates hyperparameter step", _TRAINED, "no learning rate is given"),
    Detail("What batch size was {} trained with?", "What batch size is used for training in {}?",
            "batch batches minibatch mini size", _TRAINED, "no batch size is given"),
    Detail("Which GPU were the experiments with {} run on?", "Which GPU were the experiments of {} run on?",
            "gpu gpus cpu tpu hardware device devices nvidia a100 v100 h100 rtx accelerator machine processor cuda",
            "train neural network inference diffusion transformer", "no hardware is named"),
    Detail("Under which licence is {} released?", "Under which licence is the code of {} released?",
            "licence license licensed mit apache gpl commons bsd", "code dataset benchmark library release available",
            "no licence is mentioned"),
    Detail("How many dollars did it cost to train {}?", "How many dollars did the training in {} cost?",
            "cost costs costly price dollar dollars usd expensive cheap budget money", _TRAINED, "no price is given"),
    Detail("How much carbon dioxide did training {} emit?", "How much carbon dioxide did the training in {} emit?",
            "carbon co2 emission emissions emit energy footprint environmental climate", _TRAINED,
            "emissions are not reported"),
    Detail("How many people took part in the user study of {}?", "How many people were interviewed for {}?",
            "participant participants user users human humans people volunteer subject subjects patient patients "
            "rater raters annotator annotators interview interviews respondent respondents person persons individual "
            "individuals adult adults child children student students worker workers survey men women", "",
            "no participants are mentioned"),
    Detail("Who funded the work on {}?", "Who funded the work reported in {}?",
            "fund funded funding grant grants sponsor sponsored supported foundation financed nsf", "",
            "no funding is mentioned"),
    Detail("How many random seeds were used to evaluate {}?", "How many random seeds are used in {}?",
            "seed seeds run runs repetition repetitions trial trials random", 
            "experiment evaluate evaluation empirical simulation",
            "no number of seeds is given"),
    Detail("Which programming language is {} written in?",
            "Which programming language is the software of {} written in?",
            "python pytorch tensorflow jax matlab julia java rust cpp cuda programming language languages library "
            "package toolbox toolkit c fortran r", "code algorithm software implementation framework open",
            "no programming language is named"),
    Detail("Which version of PyTorch does {} need?", "Which version of PyTorch was used in {}?",
            "pytorch torch version framework library", _TRAINED, "PyTorch is not mentioned"),
)  # fmt: skip

# Everyday questions, the words a collection would need to be about them, and what is missing.
EVERYDAY = (
    ("How long should I boil an egg for a soft yolk?", "egg yolk", "cooking"),
    ("What is a good substitute for butter in a cake?", "butter cake", "cooking"),
    ("Which team won the last cricket world cup?", "cricket cup", "sport"),
    ("How do I remove a coffee stain from a wool carpet?", "coffee stain carpet", "household"),
    ("What documents do I need to renew my passport?", "renew passport", "administration"),
    ("When is the best time of the year to prune roses?", "prune roses", "gardening"),
    ("How often should the oil of a motorbike be changed?", "oil motorbike", "vehicles"),
    ("Which train goes from Vienna to Ljubljana in the morning?", "vienna ljubljana", "travel"),
    ("Who wrote the novel about a whale called Moby Dick?", "moby dick", "literature"),
    ("Can you tell me a joke about a parrot?", "joke parrot", "chit-chat"),
    ("How much should I tip a waiter in Portugal?", "tip waiter", "travel"),
    ("What is a fair monthly rent for a flat in Dublin?", "rent flat dublin", "housing"),
    ("How do I tie a bow tie?", "bow tie", "clothing"),
    ("Why does my cat scratch the sofa?", "cat sofa", "pets"),
    ("How many strings does a ukulele have?", "ukulele strings", "music"),
    ("Will it snow in Oslo next weekend?", "snow oslo", "weather"),
)  # fmt: skip
