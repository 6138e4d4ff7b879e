"""Metrics of a trainer as text, and how they are read."""

from seedsweep.contract.consistency import Limits
from seedsweep.contract.scrape import Expected, parse_reading
from seedsweep.engine.observation import Reading

EXPECTED = Expected(episode="wi1-do2", uid="u1", limits=Limits(0.0, 1.0))
INFO = (
    'seedsweep_trainer_info{episode="wi1-do2",uid="u1",contract="1",level="L3",fingerprint="f",data="d",'
    'initialization="i"} 1\n'
)
STEPS = "seedsweep_steps_done 20\nseedsweep_steps_planned 100\nseedsweep_evaluations_planned 10\n"
CURVE = 'seedsweep_evaluation_score{evaluation="1"} 0.25\nseedsweep_evaluation_score{evaluation="2"} 0.5\n'
GOOD = INFO + STEPS + CURVE


def parse(text: str, expected: Expected = EXPECTED) -> Reading:
    return parse_reading(text.encode(), expected)
