"""`python -m seedsweep_trainer`: train an attempt, hand over a winner, keep house, serve folders or warm processes."""

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import FrameType
from typing import NoReturn

from seedsweep.api.finetuning import FineTuning
from seedsweep.contract.message import Outcome
from seedsweep.contract.protocol import Env, ExitCode
from seedsweep_trainer.endings import TERMINATED, UNEXPECTED, explain
from seedsweep_trainer.errors import ConfigurationError, HubError, StorageError
from seedsweep_trainer.process import end_process, importing
from seedsweep_trainer.reporting.attempt import Attempt, parse_config, required
from seedsweep_trainer.reporting.reporter import Reporter

# torch and transformers take seconds to import: each command does so once it is known to need them.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "warm":
        from seedsweep_trainer.jobs.fork_server import run_fork_server

        return run_fork_server(main)
    if options.command == "conclude":
        return run_conclude(options.best, options.to, options.card, options.average, options.episodes)
    if options.command == "hand-over":
        return run_hand_over(options)
    if options.command == "export":
        return run_export(options.folder, options.to)
    if options.command == "check":
        return run_check(timed=options.timed)
    if options.command == "housekeep":
        return run_housekeep()
    if options.command == "average":
        return run_housekeep(only_average=True)
    if options.command == "serve":
        return run_serve(options.folders, options.host, options.port, options.under)
    return run_attempt()


def run() -> NoReturn:
    """Run a command as a process of its own, and end it."""
    end_process(main())


def run_attempt() -> int:
    """Train one attempt as the environment asks; returns its exit code."""
    _log_to_stdout()
    terminated = Event()

    def on_sigterm(_number: int, _frame: FrameType | None) -> None:
        terminated.set()

    signal.signal(signal.SIGTERM, on_sigterm)
    reporter = Reporter.from_env(level="L3")
    config = None
    try:
        attempt = Attempt.from_env(os.environ)
        config = attempt.config
        with importing():
            from seedsweep_trainer.jobs.train import train_attempt

        outcome = train_attempt(attempt, reporter, terminated)
        reporter.finish(outcome)
    except Exception as error:
        code, reason = _explained(error, config)
        # On a full disk there may be no place for this either; what was said before stands.
        with suppress(OSError):
            reporter.finish(Outcome.FAILED, reason)
        return code
    return TERMINATED if outcome is Outcome.INTERRUPTED else 0


def run_conclude(best: Path, to: Path, card: Path | None, average: Path | None, episodes: Path | None) -> int:
    """Hand over the result; returns the exit code."""
    _log_to_stdout()
    config = None
    try:
        config = parse_config(required(os.environ, Env.CONFIG))
        with importing():
            from seedsweep_trainer.jobs.average import read_survivors
            from seedsweep_trainer.jobs.hand_over import hand_over

        survivors = read_survivors(average, episodes) if average is not None and episodes is not None else None
        text = _read_card(card) if card is not None else None
        hand_over(config, best, to, text, survivors=survivors)
    except Exception as error:
        return _explained(error, config)[0]
    return 0


def _read_card(card: Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise ConfigurationError(
            f"--card {card}: there is no such file; give the model card, or leave it out"
        ) from None


def run_hand_over(options: argparse.Namespace) -> int:
    """Hand over a custom trainer's weights; returns the exit code."""
    _log_to_stdout()
    try:
        from seedsweep_trainer.jobs.hand_over_folder import hand_over_folder

        average, averaged = None, None
        if options.average is not None:
            from seedsweep_trainer.jobs.average import read_survivors
            from seedsweep_trainer.jobs.own_average import Trial, try_average

            trial = Trial.from_env(os.environ)
            survivors = read_survivors(options.average, options.episodes)
            average, averaged = try_average(survivors, options.best, trial, options.score_command), trial.weights
        card = _read_card(options.card) if options.card is not None else None
        hand_over_folder(options.best, options.to, card, average, averaged)
    except Exception as error:
        return _explained(error, None)[0]
    return 0


def run_export(folder: Path, to: str) -> int:
    """Copy the winner's folder; prints the copy's address last, returns the exit code."""
    _log_to_stdout()
    try:
        from seedsweep_trainer.jobs.export import export, parse_export

        print(export(folder, parse_export(to)))
    except Exception as error:
        return _explained(error, None)[0]
    return 0


def run_check(*, timed: bool) -> int:
    """Find out whether the configuration can be trained; prints what it comes to as JSON, returns the exit code."""
    config = None
    try:
        config = parse_config(required(os.environ, Env.CONFIG))
        with importing():
            from seedsweep_trainer.jobs.check import check

        print(json.dumps(check(config, timed=timed)))
    except Exception as error:
        code, _ = _explained(error, config)
        # Nothing has started: whoever asked is there to try again.
        return ExitCode.BAD_CONFIGURATION if isinstance(error, HubError) else code
    return 0


def run_housekeep(*, only_average: bool = False) -> int:
    """Do what a sweep needs done in its storage; leaves its answer, returns the exit code.

    With `only_average`, the exit code is 0 only if there is an average to score.
    """
    _log_to_stdout()
    from seedsweep.api.housekeeping import HousekeepingAnswer
    from seedsweep_trainer.jobs.housekeep import Housekeeping, leave_answer

    house, code, error = None, 0, ""
    try:
        house = Housekeeping(os.environ)
        if only_average:
            code = 0 if house.make_average() else UNEXPECTED
        else:
            house.do()
    except Exception as trouble:
        code, error = _explained(trouble, None)
    answer = house.answer if house is not None else HousekeepingAnswer()
    leave_answer(answer.evolve(error=error), os.environ)
    return code


def run_serve(folders: Sequence[Path], host: str, port: int, under: str) -> int:
    """Serve folders until SIGTERM; returns the exit code."""
    from seedsweep_trainer.jobs.file_server import serve_folders

    try:
        serve_folders(folders, host, port, under)
    except Exception as error:
        return _explained(error, None)[0]
    return 0


def _explained(error: Exception, config: FineTuning | None) -> tuple[int, str]:
    code, reason = explain(error, config)
    if not isinstance(error, ConfigurationError | HubError | StorageError):
        traceback.print_exception(error)
    for said in error.args if isinstance(error, ConfigurationError) else [reason]:
        print(f"seedsweep: {said}", file=sys.stderr, flush=True)
    return code, reason


def _log_to_stdout() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seedsweep-trainer", description="SeedSweep's trainer; see the contract.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("train", help="train one attempt as SEEDSWEEP_* variables ask (the default)")
    conclude = commands.add_parser("conclude", help="export the best weights and score them once on the test set")
    own = commands.add_parser("hand-over", help="export the best weights that a custom trainer has stored")
    for hands_over in (conclude, own):
        hands_over.add_argument("--best", type=Path, required=True, help="best/ or best-to-<rung>/ of an episode")
        hands_over.add_argument("--to", type=Path, required=True, help="the folder to create")
        hands_over.add_argument("--card", type=Path, help="the model card without the test score, to become README.md")
        hands_over.add_argument("--average", type=Path, help="JSON: the survivors whose average is to be handed over")
        hands_over.add_argument("--episodes", type=Path, help="with --average: the folder of the episodes' folders")
    own.add_argument("score_command", nargs="*", help="with --average, after --: the command that scores it")
    export = commands.add_parser("export", help="copy a winner's folder, and print the location of the copy")
    export.add_argument("--folder", type=Path, required=True, help="the folder made by conclude")
    export.add_argument("--to", required=True, help="spec.export as JSON")
    check = commands.add_parser("check", help="check whether SEEDSWEEP_CONFIG can be trained, and what it takes")
    check.add_argument("--timed", action="store_true", help="also measure a step and an evaluation")
    commands.add_parser("housekeep", help="do what SEEDSWEEP_TASK asks in SEEDSWEEP_STORAGE_DIR")
    commands.add_parser("average", help="make the average that SEEDSWEEP_TASK asks for in SEEDSWEEP_WEIGHTS_DIR")
    serve = commands.add_parser("serve", help="serve the files of folders over HTTP, read-only, until SIGTERM")
    serve.add_argument("--folder", dest="folders", type=Path, action="append", required=True, help="may be repeated")
    serve.add_argument("--host", default="0.0.0.0", help="the address to listen on (default: %(default)s)")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--under", required=True, help="secret first part of every path")
    commands.add_parser("warm", help="fork an attempt for each request on stdin")
    return parser


if __name__ == "__main__":
    run()
