"""The average of the survivors' best weights, in the winner's place where its validation score bears that out."""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from seedsweep.api.housekeeping import Member, names_of
from seedsweep.api.recorded import shortened
from seedsweep.api.status import Average
from seedsweep.contract.message import MAX_REASON, as_published
from seedsweep_trainer.checkpoints.attempt_folder import WEIGHTS
from seedsweep_trainer.errors import ConfigurationError, StorageError
from seedsweep_trainer.model.averaging import NotAveragedError, Weights, average
from seedsweep_trainer.storage.folders import BEST_FACTS, BrokenFolderError, Stored, take_out_best
from seedsweep_trainer.storage.location import join, open_folders

_SAME = {"config": "configuration", "data": "data", "baseWeights": "base weights"}
"""What members have in common with the winner: facts of their best weights, in words."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Survivors:
    """The members of an average, and where their weights are."""

    members: Sequence[Member]
    storage: str
    """A path or URI, with a folder for each episode."""
    work: Path | None = None
    """For what is on its way from a URI."""


def read_survivors(members: Path, episodes: Path) -> Survivors:
    """Those that a file lists as JSON, with their folders on this machine; raises ConfigurationError."""
    try:
        listed = TypeAdapter(list[Member]).validate_json(members.read_bytes())
    except (FileNotFoundError, ValidationError):
        raise ConfigurationError(
            f"--average {members}: there is no list of survivors as JSON; give each with episode, evaluation and score"
        ) from None
    return Survivors(listed, str(episodes))


def average_of(survivors: Survivors, best: Path) -> dict[str, torch.Tensor]:
    """The mean of the survivors' best weights; `best` is the winner's folder. Raises NotAveragedError."""
    return average({member.episode: partial(_opened, survivors, member, best) for member in survivors.members})


@contextmanager
def _opened(survivors: Survivors, member: Member, winner: Path) -> Iterator[Weights]:
    with opened_best(survivors, member, winner) as folder:
        yield load_file(folder / WEIGHTS)


@contextmanager
def opened_best(survivors: Survivors, member: Member, winner: Path) -> Iterator[Path]:
    """The folder of a member's best weights, to read; `winner` is the winner's. Raises NotAveragedError.

    What the caller cannot read in it counts as damaged, or as a storage that fails.
    """
    name = member.episode
    facts_of_winner = json.loads((winner / BEST_FACTS).read_text())
    try:
        folders = open_folders(join(survivors.storage, name), survivors.work)
        best = take_out_best(folders, Stored(member.evaluation, member.score))
        if best is None:
            raise NotAveragedError(f"no weights of evaluation {member.evaluation} of {name} are stored")
        with folders.opened(best) as folder:
            facts = json.loads((folder / BEST_FACTS).read_text())
            if different := [words for fact, words in _SAME.items() if facts.get(fact) != facts_of_winner.get(fact)]:
                raise NotAveragedError(f"{name} was trained with other {' and '.join(different)} than the winner")
            yield folder
    except (BrokenFolderError, SafetensorError) as error:
        raise NotAveragedError(f"the weights of {name} are damaged: {error}") from error
    except (OSError, StorageError) as error:
        raise NotAveragedError(f"the weights of {name} cannot be read: {error}") from error


def judged(score: float, members: Sequence[float], baseline: float, *, maximize: bool) -> Average:
    """Whether an average with this validation score takes the winner's place; `members` has those of its members.

    It does where there is no barrier between its members, which is where it is no worse than they are on average, and
    where it is better than a constant answer (`baseline`, NaN where unknown).
    """
    mean = fmean(members)
    score, sign = as_published(score), 1 if maximize else -1
    known = None if math.isnan(score) else score
    reason = ""
    if known is None:
        reason = "its validation score is undefined"
    elif sign * score <= sign * baseline:
        reason = f"its validation score {score:.4f} is no better than a constant answer's {baseline:.4f}"
    elif sign * score < sign * mean:
        reason = f"its validation score {score:.4f} is worse than the {mean:.4f} of its members on average"
    return Average(members=len(members), score=known, members_score=mean, handed_over=not reason, reason=reason)


def judge(survivors: Survivors, score: float, baseline: float, *, maximize: bool) -> Average:
    """`judged`, of these members: the log says why if the winner is handed over instead."""
    members = survivors.members
    found = judged(score, [member.score for member in members], baseline, maximize=maximize)
    if found.reason:
        log.warning("the winner is handed over: the average is not, for %s", found.reason)
    return found.evolve(episodes=names_of(members))


def not_made(members: Sequence[Member], error: NotAveragedError) -> Average:
    """Of an average that could not be made."""
    log.warning("no average is made: %s", error)
    return Average(members=len(members), episodes=names_of(members), reason=shortened(str(error), MAX_REASON))
