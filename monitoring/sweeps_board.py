"""The dashboard *Sweeps*: what runs, what was saved, what waits and why, by namespace; and the operator's own work."""

from grafana_foundation_sdk.builders import dashboard

from panels import (
    PHASES,
    QUARTER,
    STATES,
    SWEEPS_UID,
    TALL,
    THIRD,
    WHOLE,
    board,
    chosen,
    counts,
    curves,
    number,
    rows,
)

HERE = 'namespace=~"$namespace"'
STALLED = f'seedsweep_sweep_condition{{{HERE}, type="Stalled", status="True"}}'
UNDER_WAY = f'seedsweep_sweep_phase{{{HERE}, phase!~"Complete|Failed"}}'
SPENT, SAVED = f"seedsweep_gpu_seconds{{{HERE}}}", f"seedsweep_saved_gpu_seconds{{{HERE}}}"


def sweeps_board() -> dashboard.Dashboard:
    """The whole dashboard."""
    found = board("Sweeps", SWEEPS_UID, "All sweeps of SeedSweep: what runs, what was saved, what waits and why.")
    found.with_variable(
        chosen("namespace", "Namespace", "label_values(seedsweep_sweep_phase, namespace)", several=True)
    )
    for part in (_numbers, _table, _over_time, _waiting, _operator):
        part(found)
    return found


def _numbers(found: dashboard.Dashboard) -> None:
    running = f'seedsweep_episodes{{{HERE}, state="running"}}'
    share = f"sum({SAVED}) / (sum({SPENT}) + sum({SAVED}))"
    for panel in (
        number("Under way", "Sweeps that are neither complete nor failed.", f"count({UNDER_WAY}) or vector(0)", "none"),
        number(
            "Waiting", "Sweeps in which something that could be done is not.", f"count({STALLED}) or vector(0)", "none"
        ),
        number("Episodes running", "Episodes that train now.", f"sum({running}) or vector(0)", "none"),
        number("GPU hours spent", "Held by all attempts of all sweeps that exist.", f"sum({SPENT}) / 3600", "h", 1),
        number("GPU hours saved", "What the losers did not train.", f"sum({SAVED}) / 3600", "h", 1),
        number("Share saved", "GPU hours saved, of those that training everything would take.", share, "percentunit"),
    ):
        found.with_panel(panel)


def _table(found: dashboard.Dashboard) -> None:
    of = "by (namespace, sweep)"
    found.with_panel(
        rows(
            "All sweeps",
            "A row leads to the dashboard of its sweep.",
            ["namespace", "sweep"],
            {
                "Running": f'sum {of} (seedsweep_episodes{{{HERE}, state="running"}})',
                "Episodes": f"sum {of} (seedsweep_episodes{{{HERE}}})",
                "Best score": f"max {of} (seedsweep_best_score{{{HERE}}})",
                "GPU hours spent": f"sum {of} ({SPENT}) / 3600",
                "GPU hours saved": f"sum {of} ({SAVED}) / 3600",
            },
            linked=True,
        ).span(WHOLE)
    )


def _over_time(found: dashboard.Dashboard) -> None:
    for panel in (
        counts(
            "Sweeps by phase",
            "Complete and failed sweeps are counted until they are deleted.",
            {"{{phase}}": f"sum by (phase) (seedsweep_sweep_phase{{{HERE}}})"},
            stacked=PHASES,
        ),
        counts(
            "Episodes by state",
            "Of all sweeps that exist.",
            {"{{state}}": f"sum by (state) (seedsweep_episodes{{{HERE}}}) > 0"},
            stacked=STATES,
        ),
        counts(
            "Episodes running, by namespace",
            "Who trains how much at once.",
            {"{{namespace}}": f'sum by (namespace) (seedsweep_episodes{{{HERE}, state="running"}})'},
            stacked=(),
        ),
    ):
        found.with_panel(panel.span(THIRD))


def _waiting(found: dashboard.Dashboard) -> None:
    for panel in (
        counts(
            "Waiting, and why",
            "Sweeps by the reason of their condition Stalled; docs/operator.md explains each reason.",
            {"{{namespace}}: {{reason}}": f"sum by (namespace, reason) ({STALLED})"},
            stacked=(),
        ).span(QUARTER),
        rows(
            "Conditions that want a look",
            "Sweeps that wait or have failed, with the reason.",
            ["namespace", "sweep", "type", "reason"],
            {
                "": f"sum by (namespace, sweep, type, reason) (seedsweep_sweep_condition{{{HERE}, "
                'type=~"Stalled|Failed", status="True"})'
            },
            linked=True,
        ),
        curves(
            "GPU hours, by namespace",
            "Spent and saved by the sweeps that exist at the time; those of a deleted sweep end.",
            {
                "{{namespace}}: spent": f"sum by (namespace) ({SPENT}) / 3600",
                "{{namespace}}: saved": f"sum by (namespace) ({SAVED}) / 3600",
            },
            "h",
        ).span(QUARTER),
    ):
        found.with_panel(panel)


def _operator(found: dashboard.Dashboard) -> None:
    found.with_row(dashboard.Row("The operator"))
    within = "sum by (le) (rate(seedsweep_operator_{}_seconds_bucket[$__rate_interval]))"
    for panel in (
        curves(
            "Latency, 99 of 100",
            "Turns of sweeps, requests to the API server, scrapes of trainers, and the event loop.",
            {
                name: f"histogram_quantile(0.99, {within.format(metric)})"
                for name, metric in (
                    ("turn of a sweep", "reconcile"),
                    ("API request", "api_request"),
                    ("scrape", "scrape"),
                    ("loop lag", "loop_lag"),
                )
            },
            "s",
        ),
        curves(
            "Requests and scrapes",
            "Scrapes by outcome, and requests to the API server by status.",
            {
                "scrape: {{outcome}}": "sum by (outcome) (rate(seedsweep_operator_scrapes_total[$__rate_interval]))",
                "API: {{code}}": "sum by (code) (rate(seedsweep_operator_api_requests_total[$__rate_interval]))",
            },
            "reqps",
        ),
        counts(
            "Trouble",
            "0 on a good day; each has an alert with a runbook.",
            {
                "turns that failed": "sum(increase(seedsweep_operator_turn_failures_total[$__rate_interval]))",
                "objects that watches owe": "sum(seedsweep_operator_watch_overdue_objects)",
                "watches not served": "sum(seedsweep_operator_watch_failures)",
            },
        ),
    ):
        found.with_panel(panel.span(THIRD).height(TALL))
