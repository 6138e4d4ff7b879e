"""Optuna's pruners behind the clock: a real study, in the documented loop of ask, report, should_prune and tell."""

import optuna

from compare_clock import Answer, Pruning
from compare_curves import Curves

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Study(Pruning):
    """A study whose trials are episodes: the n-th that is asked for is the n-th of the draw."""

    def __init__(self, pruner: optuna.pruners.BasePruner, curves: Curves, episodes: int, name: str) -> None:
        super().__init__(curves)
        # HyperbandPruner hashes the study's name and the trial's number into its brackets.
        self.study = optuna.create_study(
            study_name=name, direction="maximize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0)
        )
        self.episodes = episodes
        self.trials: list[optuna.Trial] = []

    def next_start(self) -> int | None:
        """Ask for the next trial."""
        if len(self.trials) == self.episodes:
            return None
        self.trials.append(self.study.ask())
        return len(self.trials) - 1

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        """Report, and end the trial where it is to be pruned or is done."""
        trial = self.trials[episode]
        trial.report(score, step=evaluation)
        if trial.should_prune():
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return Answer.LEAVE
        if evaluation == self.curves.evaluations:
            self.study.tell(trial, score)
            return Answer.LEAVE
        return Answer.GO_ON
