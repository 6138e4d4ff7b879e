"""What the operator exports about its own work; what it knows about sweeps is collected by kube.sweeps.collector."""

from prometheus_client import Counter, Gauge, Histogram

from seedsweep.version import __version__

API_CALLS = Counter(
    "seedsweep_operator_api_requests", "Requests to the API server that were answered.", ("method", "code")
)
API_SECONDS = Histogram(
    "seedsweep_operator_api_request_seconds",
    "From one request to the API server to its whole answer, by method.",
    ("method",),
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
API_REFUSALS = Counter(
    "seedsweep_operator_refusals",
    "Requests that the API server refused, by verb, resource and its reason.",
    ("verb", "resource", "reason"),
)
TASK_RESTARTS = Counter(
    "seedsweep_operator_task_restarts", "Tasks that ended by an error and were started again.", ("task",)
)
RECONCILE_SECONDS = Histogram(
    "seedsweep_operator_reconcile_seconds",
    "One turn of one sweep: observe, plan, record, execute, publish.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
TURN_FAILURES = Counter("seedsweep_operator_turn_failures", "Turns that ended in an error and were repeated.")
SCRAPES = Counter("seedsweep_operator_scrapes", "Scrapes of trainers' metrics: read, or why not.", ("outcome",))
SCRAPE_SECONDS = Histogram(
    "seedsweep_operator_scrape_seconds",
    "From asking one trainer to its whole answer, or to giving up.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 60),
)
LOOP_LAG_SECONDS = Histogram(
    "seedsweep_operator_loop_lag_seconds",
    "By how much a task that sleeps for 1 s is woken too late: for so long the event loop did something else.",
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
BUILD = Gauge("seedsweep_operator_build_info", "1, with the operator's version.", ("version",))
BUILD.labels(__version__).set(1)
