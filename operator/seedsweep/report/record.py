"""A record read back from the folder of a run."""

from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from seedsweep.api.base import ApiModel
from seedsweep.api.cut import Cut
from seedsweep.api.episode import Episode
from seedsweep.api.sweep import SeedSweep

Resource = TypeVar("Resource", bound=ApiModel)


class RecordError(ValueError):
    """A folder without a readable record; the message names the file and the remedy."""


class Record(NamedTuple):
    """A sweep with its status, its episodes in index order and its cuts in the order they were made."""

    sweep: SeedSweep
    episodes: list[Episode]
    cuts: list[Cut]


def read_record(directory: Path) -> Record:
    """Read sweep.json, episodes/*.json and cuts/*.json.

    Raises:
        RecordError: no sweep there, or a file that is not what its place says.
    """
    if not (directory / "sweep.json").is_file():
        raise RecordError(f"{directory}: no sweep.json in it; give the folder that `seedsweep run` wrote")
    sweep = _read(directory / "sweep.json", SeedSweep)
    episodes = [_read(path, Episode) for path in sorted(directory.glob("episodes/*.json"))]
    cuts = [_read(path, Cut) for path in sorted(directory.glob("cuts/*.json"))]
    return Record(
        sweep,
        sorted(episodes, key=lambda episode: episode.spec.index),
        sorted(cuts, key=lambda cut: (cut.spec.bracket, cut.spec.rung)),
    )


def _read(path: Path, model: type[Resource]) -> Resource:
    try:
        return model.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{path}: not a {model.__name__}: {where} {first['msg']}; restore the file") from error
