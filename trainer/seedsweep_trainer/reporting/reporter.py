"""Reports an episode's progress the way docs/trainer-contract.md asks: two lines for any Python loop.

    reporter = Reporter.from_env()
    reporter.planned(evaluations=30, steps=3000)
    for ...:
        reporter.evaluated(step=step, score=accuracy)
        if reporter.should_stop:
            break
    reporter.finish(Outcome.STOPPED if reporter.should_stop else Outcome.DONE)

Outside a sweep, and on ranks other than 0, all of this does nothing and harms nothing. Needs no torch.
"""

import errno
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from seedsweep.api.limits import MAX_EVALUATIONS
from seedsweep.contract.consistency import Limits, contradiction, label, published, whole
from seedsweep.contract.message import Message, Outcome, TrainerInfo
from seedsweep.contract.protocol import (
    CONTRACT_VERSION,
    DEFAULT_METRICS_PORT,
    MAX_STEPS,
    Env,
    ExitCode,
)
from seedsweep_trainer.errors import ConfigurationError, PortTakenError
from seedsweep_trainer.reporting.attempt import asked_metric, required, whole_number
from seedsweep_trainer.reporting.best_weights import BestWeights, WriteWeights
from seedsweep_trainer.reporting.exposition import Measured, families
from seedsweep_trainer.reporting.outlets import Outlets

_FAILED = 1
"""Exit code of a failure that another attempt may not meet."""


class Reporter(Collector):
    """Keeps what an attempt has to tell as one Message, and tells it on every channel.

    The message is replaced as a whole, so that a scrape at any moment sees one consistent state. Numbers may be of any
    kind: int, numpy, torch. What SeedSweep would refuse to read raises ValueError at once, also outside a sweep.
    """

    def __init__(self, info: TrainerInfo | None = None, outlets: Outlets | None = None, stop_after: int | None = None):
        """Without outlets nothing is told to anyone."""
        self._message = Message(
            info=info or TrainerInfo("", ""),
            outcome=Outcome.RUNNING,
            evaluations_planned=0,
            steps_done=0,
            steps_planned=0,
        )
        self._outlets = outlets or Outlets()
        self._stop_after = stop_after
        self._measured = Measured()
        # Checkpoints become durable on a thread of their own.
        self._lock = threading.Lock()
        self._note = ""
        self._limits = Limits()
        self._best_weights: BestWeights | None = None
        self._evaluated_at: int | None = None
        """Optimizer steps done at the last evaluation."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, *, level: str = "L1") -> Self:
        """Start reporting, and serving metrics, as the environment says.

        `level` is what the loop keeps of the contract: L1 its curve, L2 also stop-after and resuming.
        A bad variable ends the process with exit code 78, as a bad command line would; a port that is taken with 1, for
        another attempt may find it free, or gets another.
        """
        stop_after = environ.get(Env.STOP_AFTER)
        # A score command has no attempt to report.
        told = Env.CONTRACT in environ and Env.SCORE_FILE not in environ and environ.get("RANK", "0") == "0"
        if not told:
            return cls(stop_after=int(stop_after) if stop_after else None)
        outlets = Outlets.from_env(environ)
        info = TrainerInfo(environ.get(Env.EPISODE, ""), environ.get(Env.ATTEMPT_UID, ""), level=level)
        reporter = cls(info, outlets)
        try:
            _check_contract(environ)
            reporter._stop_after = whole_number(stop_after, Env.STOP_AFTER) if stop_after else None
            reporter._limits = Limits.of(asked_metric(environ))
            reporter._best_weights = BestWeights.from_env(environ)
            reporter._serve(environ)
        except (ConfigurationError, PortTakenError) as error:
            print(f"seedsweep: {error}", file=sys.stderr, flush=True)
            reporter.finish(Outcome.FAILED, str(error))
            bad = isinstance(error, ConfigurationError)
            raise SystemExit(ExitCode.BAD_CONFIGURATION if bad else _FAILED) from None
        return reporter

    @property
    def message(self) -> Message:
        """All that is known so far."""
        return self._message

    @property
    def should_stop(self) -> bool:
        """Whether the evaluation after which this attempt was asked to stop is done."""
        return self._stop_after is not None and len(self._message.scores) >= self._stop_after

    def planned(
        self, *, evaluations: int, steps: int, baseline: float | None = None, baseline_error: float | None = None
    ) -> None:
        """Declare a whole episode, however far this attempt goes; before the first evaluation.

        `baseline` is the score of always giving the same answer, `baseline_error` its standard error over draws of as
        many validation examples: of an accuracy a on n examples, sqrt(a (1 - a) / n).
        """
        self._tell(
            evaluations_planned=whole(evaluations, "planned(evaluations=)", 1, MAX_EVALUATIONS),
            steps_planned=whole(steps, "planned(steps=)", 1, MAX_STEPS),
            baseline=None if baseline is None else published(baseline, "planned(baseline=)"),
            baseline_error=None if baseline_error is None else published(baseline_error, "planned(baseline_error=)"),
        )

    def described(
        self, *, fingerprint: str = "", data: str = "", initialization: str = "", provenance: str = ""
    ) -> None:
        """Declare the texts of TrainerInfo."""
        info = replace(
            self._message.info,
            fingerprint=label(fingerprint, "described(fingerprint=)"),
            data=label(data, "described(data=)"),
            initialization=label(initialization, "described(initialization=)"),
            provenance=label(provenance, "described(provenance=)"),
        )
        self._tell(info=info)

    def resumed(self, *, step: int, scores: Sequence[float], losses: Sequence[float] | None = None) -> None:
        """Publish the whole curve of the checkpoint that this attempt starts from, taken after `step` steps."""
        if losses is not None and len(losses) != len(scores):
            raise ValueError(
                f"resumed() has {len(scores)} scores but {len(losses)} losses: give a loss for each or none"
            )
        done = whole(step, "resumed(step=)", 0, MAX_STEPS)
        self._tell(
            steps_at_start=done,
            steps_done=done,
            checkpoint=len(scores),
            scores=tuple(published(score, "resumed(scores=)") for score in scores),
            losses=None if not losses else tuple(published(loss, "resumed(losses=)") for loss in losses),
        )
        self._evaluated_at = done if scores else None

    def stepped(self, step: int) -> None:
        """Optimizer steps done, for watchers between evaluations; takes microseconds."""
        done = self._onward(step, "stepped")
        with self._lock:
            self._replace(steps_done=done)

    def measured(self, **values: float) -> None:
        """Tell people, by the fields of Measured, how training goes; no decision rests on it."""
        self._measured = replace(self._measured, **values)

    def evaluated(
        self, *, step: int, score: float, loss: float | None = None, weights: WriteWeights | None = None
    ) -> None:
        """Publish the next evaluation: NaN is an undefined score; a loss with every evaluation or with none.

        `weights` writes the model's files into an empty folder. If this evaluation is the best so far and there is a
        storage, it is called, and the files are durable before the score is published. Give it with every evaluation.

        Raises ValueError where `planned` was not called, for more evaluations than planned, for a second score after
        the same step, for a missing loss, or for weights in subfolders. Raises ConfigurationError, OSError or
        StorageError where the weights cannot be stored.
        """
        seen = self._message
        if len(seen.scores) >= seen.evaluations_planned:
            raise ValueError(
                f"evaluation {len(seen.scores) + 1} of {seen.evaluations_planned} planned: "
                "call planned(evaluations=, steps=) first, with the evaluations of a whole episode"
            )
        if seen.scores and (loss is None) != (seen.losses is None):
            raise ValueError("give a loss with every evaluation or with none")
        done = self._onward(step, "evaluated")
        if done == self._evaluated_at:
            raise ValueError(
                f"evaluated(step={done}) is a second score after the same step: "
                "report one score for each evaluation, and the optimizer steps done until then"
            )
        losses = None if loss is None else (*(seen.losses or ()), published(loss, "evaluated(loss=)"))
        scores = (*seen.scores, published(score, "evaluated(score=)"))
        if (excess := self._limits.excess(scores)) is not None:
            raise ValueError(excess)
        if weights is not None and self._best_weights is not None:
            data = {"data": seen.info.data} if seen.info.data else {}
            self._best_weights.keep(scores, weights, {"step": done, **data})
        self._tell(steps_done=done, scores=scores, losses=losses)
        self._evaluated_at = done

    def checkpointed(self, evaluation: int) -> None:
        """Publish that a checkpoint taken at this evaluation or after it is complete and durable."""
        self._tell(checkpoint=whole(evaluation, "checkpointed()", 0, MAX_EVALUATIONS))

    def noted(self, text: str) -> None:
        """Have the last words of an attempt that comes to its end say this too; of several, the first."""
        self._note = self._note or text

    def finish(self, outcome: Outcome, reason: str = "") -> None:
        """Say how the attempt ended, in its termination message and in result.json. The process should end now."""
        if outcome is not Outcome.INTERRUPTED:
            reason = reason or self._note
        diverged_at = len(self._message.scores) + 1 if outcome is Outcome.DIVERGED else None
        self._tell(outcome=outcome, reason=reason, diverged_at=diverged_at)
        self._outlets.leave_result(self._message)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment, for a Prometheus registry."""
        return families(self._message, self._measured)

    def _onward(self, step: int, method: str) -> int:
        done = whole(step, f"{method}(step=)", 0, MAX_STEPS)
        if done < self._message.steps_done:
            raise ValueError(
                f"{method}(step={done}) goes back from step {self._message.steps_done}: "
                "count the optimizer steps of all epochs, and call resumed() before the first of a resumed attempt"
            )
        return done

    def _replace(self, **changes: object) -> None:
        """Take in changes that can be; the caller holds the lock. Raises ValueError for others."""
        message = replace(self._message, **changes)  # type: ignore[arg-type]
        reason = contradiction(message)
        if reason is not None:
            raise ValueError(reason)
        self._message = message

    def _tell(self, **changes: object) -> None:
        with self._lock:
            self._replace(**changes)
            self._outlets.leave_word(self._message)

    def _serve(self, environ: Mapping[str, str]) -> None:
        registry = CollectorRegistry()
        registry.register(self)
        host = environ.get(Env.METRICS_HOST) or "0.0.0.0"
        port = environ.get(Env.METRICS_PORT) or str(DEFAULT_METRICS_PORT)
        try:
            start_http_server(int(port), host, registry)
        except (OSError, ValueError, OverflowError) as error:
            where = f"metrics cannot be served on {host}, {Env.METRICS_PORT} {port!r}"
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                remedy = "end that program, or have the next attempt use another port"
                raise PortTakenError(f"{where}: another program has this port; {remedy}") from None
            raise ConfigurationError(f"{where}: give a port from 1 to 65535 that this user may open") from None


def _check_contract(environ: Mapping[str, str]) -> None:
    if environ[Env.CONTRACT] != str(CONTRACT_VERSION):
        raise ConfigurationError(
            f"{Env.CONTRACT} is {environ[Env.CONTRACT]!r}, this trainer speaks version {CONTRACT_VERSION}: "
            "use an image of the same release as the operator"
        )
    required(environ, Env.EPISODE)
    required(environ, Env.ATTEMPT_UID)
