"""What a trainer and SeedSweep agree on, version 1: names, exit codes and bounds.

Both sides read these names from here. docs/trainer-contract.md explains them to trainers in any language.
"""

from enum import IntEnum, StrEnum

CONTRACT_VERSION = 1
DEFAULT_METRICS_PORT = 9400
DEFAULT_TERMINATION_LOG = "/dev/termination-log"
MAX_STEPS = 10**12
"""Optimizer steps of an episode."""
MAX_LABEL = 256
"""Characters of each text in TrainerInfo."""


class Env(StrEnum):
    """Environment variables that an attempt starts with."""

    CONTRACT = "SEEDSWEEP_CONTRACT"
    EPISODE = "SEEDSWEEP_EPISODE"
    ATTEMPT_UID = "SEEDSWEEP_ATTEMPT_UID"
    WEIGHT_INIT_SEED = "SEEDSWEEP_WEIGHT_INIT_SEED"
    DATA_ORDER_SEED = "SEEDSWEEP_DATA_ORDER_SEED"
    SEED = "SEEDSWEEP_SEED"
    """One seed for everything, for scripts with a single --seed: set where the sweep's seeds are `single`."""
    RUNGS = "SEEDSWEEP_RUNGS"
    """Evaluations at which a cut is made, comma-separated, 1-based; empty without early stopping."""
    STOP_AFTER = "SEEDSWEEP_STOP_AFTER"
    """Checkpoint and exit 0 after this evaluation; absent: run to the end."""
    WORK_DIR = "SEEDSWEEP_WORK_DIR"
    """A folder of this attempt alone. Without STORAGE_DIR what is for reports is left there (for_reports.py)."""
    CHECKPOINT_DIR = "SEEDSWEEP_CHECKPOINT_DIR"
    """The episode's folder, a path or an fsspec URI, one subfolder per attempt UID; absent: nothing outlives the
    attempt."""
    STORAGE_DIR = "SEEDSWEEP_STORAGE_DIR"
    """The sweep's folder in its storage, a path or an fsspec URI: episodes' folders, best/, cache/ and attempts/ lie in
    it. What is for reports is left in attempts/ATTEMPT_UID (for_reports.py)."""
    TASK = "SEEDSWEEP_TASK"
    """JSON: what a housekeeping pod is to do (seedsweep.api.housekeeping)."""
    METRICS_HOST = "SEEDSWEEP_METRICS_HOST"
    METRICS_PORT = "SEEDSWEEP_METRICS_PORT"
    CONFIG = "SEEDSWEEP_CONFIG"
    """JSON: `spec.trainer.fineTuning`, or the `config` of a trainer of one's own."""
    METRIC = "SEEDSWEEP_METRIC"
    """JSON: name, goal and range of the metric that ranks episodes; absent where the trainer knows it by its data."""
    TERMINATION_LOG = "SEEDSWEEP_TERMINATION_LOG"
    WEIGHTS_DIR = "SEEDSWEEP_WEIGHTS_DIR"
    """Of a score command: the folder with the weights to score."""
    SCORE_FILE = "SEEDSWEEP_SCORE_FILE"
    """Of a score command: where to leave the score, as JSON."""


class MetricName(StrEnum):
    """Names on /metrics (Prometheus text format), all gauges."""

    SCORE = "seedsweep_validation_score"
    EVALUATIONS_DONE = "seedsweep_evaluations_done"
    EVALUATIONS_PLANNED = "seedsweep_evaluations_planned"
    CURVE_SCORE = "seedsweep_evaluation_score"
    """The whole curve, a sample per evaluation labelled evaluation="1".."E"; NaN where undefined."""
    CURVE_LOSS = "seedsweep_evaluation_loss"
    """Validation loss per evaluation, the first tie-breaker; all of them or none."""
    CHECKPOINT = "seedsweep_checkpoint_evaluation"
    """Newest evaluation whose checkpoint is complete and durable; 0 without one."""
    STEPS_DONE = "seedsweep_steps_done"
    STEPS_PLANNED = "seedsweep_steps_planned"
    STEPS_AT_START = "seedsweep_steps_at_start"
    """The optimizer step this attempt resumed at; 0 for a fresh start."""
    BASELINE = "seedsweep_baseline_score"
    """Score of always answering the majority class (or the mean)."""
    BASELINE_ERROR = "seedsweep_baseline_error"
    """Standard error of that score, over draws of as many validation examples."""
    INFO = "seedsweep_trainer_info"
    """1, with the labels of TrainerInfo."""


class ExitCode(IntEnum):
    """Clear of 1, 2 and 126 to 165, which shells, Python and signals use."""

    OK = 0
    """Done, stopped after the asked evaluation, or diverged: the message says which."""
    BAD_CONFIGURATION = 78
    OUT_OF_MEMORY = 79
