"""The dashboard *Sweep*: one sweep's curves with its cut, its distribution, its cost against the plan, its failures."""

from grafana_foundation_sdk.builders import dashboard

from panels import (
    KINDS,
    STATES,
    SWEEP_UID,
    WHOLE,
    board,
    chosen,
    counts,
    curves,
    distribution,
    number,
    only_legend_of,
    rows,
)

OF = 'namespace="$namespace", sweep="$sweep"'
SCORE = f"seedsweep_validation_score{{{OF}}}"
THRESHOLD = f"seedsweep_cut_threshold_score{{{OF}}}"
LAST = f"last_over_time({SCORE}[$__range])"
EPISODE = "namespace, sweep, episode"
AT_THE_CUT = (
    f"last_over_time(({SCORE} and on ({EPISODE}) (seedsweep_evaluations_done{{{OF}}} "
    f"<= on (namespace, sweep) group_left () max by (namespace, sweep) (seedsweep_cut_evaluation{{{OF}}} @ end()))"
    ")[$__range:])"
)
"""Each episode's last score up to the evaluation of the last cut."""


def sweep_board() -> dashboard.Dashboard:
    """The whole dashboard."""
    found = board("Sweep", SWEEP_UID, "One sweep of SeedSweep: all curves with the cut, survivors, cost and failures.")
    found.with_variable(chosen("namespace", "Namespace", "label_values(seedsweep_sweep_phase, namespace)"))
    names = 'label_values(seedsweep_sweep_phase{namespace="$namespace"}, sweep)'
    found.with_variable(chosen("sweep", "Sweep", names))
    found.with_variable(dashboard.CustomVariable("curves").label("Curves at most").values("50,200,2500"))
    for part in (_numbers, _scores, _episodes, _cost):
        part(found)
    return found


def _numbers(found: dashboard.Dashboard) -> None:
    spent, saved = f"sum(seedsweep_gpu_seconds{{{OF}}})", f"sum(seedsweep_saved_gpu_seconds{{{OF}}})"
    running = f'seedsweep_episodes{{{OF}, state="running"}}'
    done = f'sum(seedsweep_steps{{{OF}, kind=~"useful|audit"}}) / sum(seedsweep_planned_steps{{{OF}}})'
    for panel in (
        number("Best score", "On the validation data, so far.", f"max(seedsweep_best_score{{{OF}}})", "none", 4),
        number("Running", "Episodes that train now.", f"sum({running})", "none"),
        number(
            "Stopped by cuts",
            "Episodes that the cuts did not keep.",
            f"sum(seedsweep_cut_lost_episodes{{{OF}}})",
            "none",
        ),
        number("Progress", "Trained, of the optimizer steps that the design costs at most.", done, "percentunit"),
        number("GPU hours", "Held by all attempts.", f"{spent} / 3600", "h", 1),
        number(
            "Share saved",
            "GPU hours saved, of those that training everything would take.",
            f"{saved} / ({spent} + {saved})",
            "percentunit",
        ),
    ):
        found.with_panel(panel)


def _scores(found: dashboard.Dashboard) -> None:
    shown = f"{SCORE} and topk($curves, max_over_time({SCORE}[$__range] @ end()))"
    quantiles = {"best": 1, "quarter from the top": 0.75, "median": 0.5, "quarter from the bottom": 0.25, "worst": 0}
    for panel in (
        only_legend_of(
            "B",
            curves(
                "All curves, with the cut",
                "The latest validation score of each episode while it trains, and the thresholds of the cuts. A curve "
                "that ends at a threshold was stopped there. Of many episodes, those that came highest.",
                {"{{episode}}": shown, "threshold, rung {{rung}}": THRESHOLD},
                "none",
            ),
        )
        .span(WHOLE)
        .height(12),
        curves(
            "Spread of the scores",
            "Of the episodes that train at the moment: it narrows at a cut.",
            {name: f"quantile({q}, {SCORE})" for name, q in quantiles.items()},
            "none",
        ),
        distribution(
            "Scores at the last cut",
            "Each episode's last score up to the evaluation of the cut, as it was scraped; the Cut has the exact ones.",
            AT_THE_CUT,
        ),
        curves(
            "Best so far", "The best validation score that counts.", {"best": f"seedsweep_best_score{{{OF}}}"}, "none"
        ),
        rows(
            "Survivors, and the best of the others",
            "The 50 best by the last score that each has shown in this time, with their seeds.",
            ["episode", "weight_init", "data_order"],
            {"Last score": f"sort_desc(topk(50, max by (episode, weight_init, data_order) ({LAST})))"},
        ),
    ):
        found.with_panel(panel)


def _episodes(found: dashboard.Dashboard) -> None:
    interruptions = f"sum by (kind) (seedsweep_interruptions_total{{{OF}}})"
    for panel in (
        counts(
            "Episodes by state", "They add up to all.", {"{{state}}": f"seedsweep_episodes{{{OF}}} > 0"}, stacked=STATES
        ),
        counts(
            "Failures and interruptions",
            "Episodes that were given up or diverged, and how often attempts were interrupted, by what.",
            {
                "{{state}}": f'seedsweep_episodes{{{OF}, state=~"failed|diverged"}}',
                "interrupted: {{kind}}": interruptions,
            },
        ),
    ):
        found.with_panel(panel)


def _cost(found: dashboard.Dashboard) -> None:
    for panel in (
        curves(
            "Steps, by what they were for",
            "Trained so far. Overshoot is the price of stopping late, waste that of interruptions.",
            {"{{kind}}": f"seedsweep_steps{{{OF}}}"},
            stacked=KINDS,
        ),
        curves(
            "Cost against plan",
            "Steps trained; what the design costs at most if none is repeated; what training all to the end costs.",
            {
                "trained": f"sum(seedsweep_steps{{{OF}}})",
                "planned": f"seedsweep_planned_steps{{{OF}}}",
                "without any cut": f"seedsweep_full_steps{{{OF}}}",
            },
        ),
        curves(
            "Throughput",
            "Optimizer steps a second of all that train.",
            {"steps": f"sum(rate(seedsweep_steps_done{{{OF}}}[$__rate_interval]))"},
            "suffix:steps/s",
        ),
        rows(
            "Conditions",
            "As in kubectl describe; the newest state.",
            ["type", "status", "reason"],
            {"": f"sum by (type, status, reason) (seedsweep_sweep_condition{{{OF}}})"},
        ),
    ):
        found.with_panel(panel)
