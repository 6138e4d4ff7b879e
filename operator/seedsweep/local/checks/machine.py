"""Where a sweep would run on this machine, and what stands in its way before our trainer is asked."""

import os
from pathlib import Path

from seedsweep.api.checks import Problem
from seedsweep.api.sweep import SeedSweep
from seedsweep.engine.layout import Layout
from seedsweep.local.checks.cluster_only import local_problems
from seedsweep.local.checks.data import data_problems, model_problems
from seedsweep.local.checks.trainer import problem_of
from seedsweep.local.machine.hardware import usable_cores, visible_gpus
from seedsweep.local.machine.places import Place, find_places, place_problems
from seedsweep_trainer.data.contradictions import contradictions


def look_around(sweep: SeedSweep, base: Path) -> tuple[list[Place], list[Problem]]:
    """The places, and every problem; relative paths start from `base`."""
    spec = sweep.spec
    gpus = visible_gpus(os.environ)
    places = find_places(spec, gpus, usable_cores())
    problems = [*local_problems(spec), *place_problems(spec, gpus, places), *sweep_problems(sweep)]
    tuning = spec.trainer.fine_tuning
    if tuning is not None:
        problems += [*model_problems(tuning.model, base), *data_problems(tuning.dataset, base)]
    return places, problems


def sweep_problems(sweep: SeedSweep) -> list[Problem]:
    """What is wrong wherever it runs, beyond what was checked with the file: generated rungs, and the recipe."""
    trainer = sweep.spec.trainer
    evaluations = trainer.planned_evaluations
    problems = Layout.of(sweep).problems(evaluations) if evaluations is not None else []
    recipe = contradictions(trainer.fine_tuning) if trainer.fine_tuning is not None else []
    return [*problems, *map(problem_of, recipe)]
