"""What the operator exports about its own work; what it knows about sweeps is collected by kube.sweeps.collector."""

from prometheus_client import Counter, Gauge, Histogram

from seedsweep.version import __version__

API_CALLS = Counter(
    "seedsweep_operator_api_requests", "Requests to the API server that were answered.", ("method", "code")
)
API_SECONDS = Histogram(
    "seedsweep_operator_api_request_seconds",
    "Time from a request to the API server to its complete answer, by method.",
    ("method",),
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
API_REFUSALS = Counter(
    "seedsweep_operator_refusals",
    "Requests that the API server refused, by verb, resource and reason.",
    ("verb", "resource", "reason"),
)
TASK_RESTARTS = Counter("seedsweep_operator_task_restarts", "Tasks that failed and were restarted.", ("task",))
RECONCILE_SECONDS = Histogram(
    "seedsweep_operator_reconcile_seconds",
    "Time of one turn of one sweep: observe, plan, record, execute, publish.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
TURN_FAILURES = Counter("seedsweep_operator_turn_failures", "Turns that ended in an error and were retried.")
SCRAPES = Counter(
    "seedsweep_operator_scrapes", "Scrapes of trainers' metrics, by outcome: read, or why not.", ("outcome",)
)
SCRAPE_SECONDS = Histogram(
    "seedsweep_operator_scrape_seconds",
    "Time from a request to a trainer to its complete answer, or to giving up.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60),
)
LOOP_LAG_SECONDS = Histogram(
    "seedsweep_operator_loop_lag_seconds",
    "Delay of a task that sleeps for 1 s: for this long the event loop was busy with other work.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
BUILD = Gauge("seedsweep_operator_build_info", "1, with the operator's version.", ("version",))
BUILD.labels(__version__).set(1)
