"""The contract's variables as every world sets them, and $(NAME) in them as Kubernetes reads it."""

import re
from collections.abc import Mapping, Sequence

from seedsweep.api.episode import EpisodeId
from seedsweep.api.sweep import SweepSpec, Trainer
from seedsweep.contract.protocol import CONTRACT_VERSION, Env

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def episode_variables(
    spec: SweepSpec, episode: EpisodeId, rungs: Sequence[int], stop_after: int | None
) -> dict[str, str]:
    """What an attempt is asked to do, wherever it runs; `rungs` and `stop_after` are evaluations, from 1."""
    variables = {
        Env.CONTRACT: str(CONTRACT_VERSION),
        Env.EPISODE: episode.name,
        Env.WEIGHT_INIT_SEED: str(episode.weight_init),
        Env.DATA_ORDER_SEED: str(episode.data_order),
        Env.RUNGS: ",".join(map(str, rungs)),
    }
    metric = spec.trainer.ranking_metric
    if metric is not None:
        variables[Env.METRIC] = metric.model_dump_json(by_alias=True, exclude_none=True)
    if spec.seeds.single is not None:
        variables[Env.SEED] = str(episode.weight_init)
    if stop_after is not None:
        variables[Env.STOP_AFTER] = str(stop_after)
    return {str(name): value for name, value in variables.items()}


def scoring_variables(spec: SweepSpec, work: str) -> dict[str, str]:
    """What a score command is asked to do, wherever it runs; `work` is a folder that it may write."""
    metric = spec.trainer.ranking_metric
    assert metric is not None  # a trainer of one's own has one
    variables = {
        Env.CONTRACT: str(CONTRACT_VERSION),
        Env.METRIC: metric.model_dump_json(by_alias=True, exclude_none=True),
        Env.WORK_DIR: work,
        Env.WEIGHTS_DIR: f"{work}/average/weights",
        Env.SCORE_FILE: f"{work}/average/score/score.json",
    }
    return {str(name): value for name, value in variables.items()}


def config_text(trainer: Trainer) -> str:
    """What the trainer is told, as JSON; of a trainer of one's own, what `config.json` holds."""
    if trainer.fine_tuning is not None:
        return trainer.fine_tuning.model_dump_json(by_alias=True, exclude_unset=True)
    return (trainer.config.json_text if trainer.config is not None else None) or "{}"


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; $$ stands for $ itself, and unknown names stay as they are."""
    return _REFERENCE.sub(lambda found: "$" if found[1] is None else variables.get(found[1], found[0]), text)


def literal(text: str) -> str:
    """The text that `expand`, whatever the variables are, makes into this one."""
    return text.replace("$", "$$")
