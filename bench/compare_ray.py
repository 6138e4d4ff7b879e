"""Ray Tune's schedulers behind the clock: the real objects, asked as Tune's controller asks them.

No cluster runs: what TuneController does around a scheduler is a few lines (ray/tune/execution/tune_controller.py).
All trials are added at once, as Tune does with up to 200 of a fixed number of samples.
"""

from collections.abc import Collection, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from compare_clock import Answer, Pruning, reached
from compare_curves import Curves


class Tune(Pruning):
    """The part of Tune's controller that its schedulers see."""

    def __init__(self, scheduler: Any, curves: Curves, episodes: int) -> None:
        super().__init__(curves)
        # Not typed as a TrialScheduler, whose types ask for the whole controller.
        self.scheduler = scheduler
        self.trials: list[Any] = [Trial("replay", trial_id=f"{i:05}", stub=True) for i in range(episodes)]
        self.number = {trial: i for i, trial in enumerate(self.trials)}
        self.last: dict[Trial, dict[str, float]] = {}
        self.scheduler.set_search_properties("score", "max")
        for trial in self.trials:
            self.scheduler.on_trial_add(self, trial)

    def get_trials(self) -> list[Any]:
        """As schedulers look through them."""
        return self.trials

    def stop_trial(self, trial: Any) -> None:
        """What the controller does, also when a scheduler asks it to."""
        if trial.status in (Trial.PENDING, Trial.PAUSED):
            self.scheduler.on_trial_remove(self, trial)
        elif trial.status == Trial.RUNNING:
            self.scheduler.on_trial_complete(self, trial, self.last[trial])
        trial.set_status(Trial.TERMINATED)

    def next_start(self) -> int | None:
        """The trial that the scheduler chooses, else the first that waits."""
        trial = self.scheduler.choose_trial_to_run(self)
        if trial is None:
            trial = next((t for t in self.trials if t.status == Trial.PENDING), None)
        if trial is None:
            return None
        trial.set_status(Trial.RUNNING)
        return self.number[trial]

    def report(self, episode: int, evaluation: int, score: float) -> Answer:
        """One result, and what the scheduler decides about its trial."""
        trial, result = self.trials[episode], {"training_iteration": evaluation, "score": score}
        decision = self.scheduler.on_trial_result(self, trial, result)
        self.last[trial] = result
        if decision == TrialScheduler.CONTINUE and evaluation < self.curves.evaluations:
            return Answer.GO_ON
        if decision == TrialScheduler.PAUSE:
            trial.set_status(Trial.PAUSED)
        else:
            self.stop_trial(trial)
        return Answer.LEAVE

    def kept(self, trained: Sequence[int]) -> Collection[int]:
        """HyperBand lets the best of a bracket end at evaluation 8 or 9, where its arithmetic does not come to 10."""
        return reached(8, trained)
