"""Luck and skill apart: how much of the spread over seeds is the draw of the validation examples."""

import math
from dataclasses import dataclass

import numpy as np

from seedsweep.report.beside import Beside, why_none, why_some
from seedsweep.report.facts import accuracy_examples
from seedsweep.report.findings.verdict import healthy_among
from seedsweep.report.record import Record
from seedsweep.report.statistics.analysis import Withheld, analyses
from seedsweep.science.examples.answers import scores
from seedsweep.science.examples.luck import Luck, binomial_noise, take_apart

LUCK_AND_SKILL = "Luck and skill apart"


@dataclass(frozen=True, slots=True)
class Apart:
    """The spread taken apart, with what it was made from."""

    luck: Luck
    models: int
    left_out: int
    """Episodes without such a score."""
    examples: int
    source: str
    """Which scores."""


@dataclass(frozen=True, slots=True)
class Approximate:
    """The same from scores and the number of examples alone: accuracy only."""

    observed: float
    """Standard deviation over seeds."""
    noise: float
    """At most so much of it is luck."""
    skill: float
    """At least so much would stay."""
    models: int
    left_out: int
    """Episodes without such a score, for which nothing stands in."""
    examples: int
    source: str


def luck_of(record: Record, known: Beside) -> Apart | Approximate | Withheld | None:
    """From predictions where all are known, else by the binomial approximation, else withheld; None without scores."""
    found = analyses(record)
    if not found or found[0].summary.n < 2:
        return None
    first = found[0]
    those = known.at(first.evaluations)
    source = f"{first.title[0].lower()}{first.title[1:]}"
    if those is not None and len(those[0]) == len(first.evaluations) >= 2 and those[1].examples >= 2:
        answers, maximize = those[1], record.sweep.spec.trainer.maximize
        luck = take_apart(answers, maximize=maximize, healthy=healthy_among(record, scores(answers)[0]))
        return Apart(luck, answers.models, first.episodes - answers.models, answers.examples, source)
    examples = accuracy_examples(record.sweep, first.scores)
    if examples is not None:
        observed, noise = first.summary.deviation or 0.0, binomial_noise(np.array(first.scores), examples)
        noise = min(noise, observed)
        skill = math.sqrt(observed**2 - noise**2)
        n = first.summary.n
        return Approximate(observed, noise, skill, n, first.episodes - n, examples, source)
    why = why_none(record, known) or why_some(record, known)
    return Withheld(LUCK_AND_SKILL, why)
