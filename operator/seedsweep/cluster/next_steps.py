"""What to type when a sweep in a cluster is over."""

from collections.abc import Iterator, Sequence

from seedsweep.api.episode import Episode
from seedsweep.api.status import Best, SweepStatus
from seedsweep.api.sweep import SeedSweep
from seedsweep.kube.objects import names
from seedsweep.kube.pods.manifest import storage_folder
from seedsweep.report.facts import casualties
from seedsweep.terminal import NextStep


def next_steps(sweep: SeedSweep, episodes: Sequence[Episode]) -> Iterator[NextStep]:
    """With kubectl, whichever namespace its context names."""
    status, name = sweep.status or SweepStatus(), sweep.metadata.name
    kubectl = f"kubectl -n {sweep.metadata.namespace}"
    failed = next((lost for lost in casualties(episodes) if lost.outcome == "failed"), None)
    if failed is not None:
        yield NextStep(f"Read why {failed.episode} failed", [f"{kubectl} describe episode {name}-{failed.episode}"])
    if status.hand_over_failed:
        seconds = sweep.spec.wait_for_capacity_seconds
        change = f'{{"spec":{{"waitForCapacitySeconds":{seconds - 1 if seconds > 1 else seconds + 1}}}}}'
        patch = f"{kubectl} patch seedsweep {name} --type merge -p '{change}'"
        yield NextStep("Hand the winner over again: any change of its spec does it, once the cause is removed", [patch])
    elif status.phase == "Failed":
        again = [f"{kubectl} delete seedsweep {name}", f"{kubectl} apply -f FILE"]
        yield NextStep("Start anew from the sweep's FILE, which forgets this one (or give it another name)", again)
    report = f"seedsweep report sweep/{name} -n {sweep.metadata.namespace}"
    yield NextStep("Write its report: every curve, the cut and the statistics", [report])
    yield NextStep(
        "See every episode, and what each cut was made from",
        [
            f"{kubectl} get episodes -l {names.LABEL_SWEEP}={name}",
            *(f"{kubectl} get cut {cut.ref} -o yaml" for cut in status.cuts),
        ],
    )
    if status.best is not None:
        yield NextStep(*where_weights_are(sweep, status.best))


def where_weights_are(sweep: SeedSweep, best: Best) -> tuple[str, list[str]]:
    """What to say of the winner's weights, and the lines to type or the places to look in."""
    storage = sweep.spec.storage
    folder = f"{storage_folder(sweep)}/{best.episode}"
    if best.weights is not None:
        name, namespace = sweep.metadata.name, sweep.metadata.namespace
        return f"Fetch the winner from {best.weights}", [f"seedsweep fetch {name} -n {namespace} --to {name}"]
    if storage is None:
        return f"The weights of {best.episode} went with its pod: spec.storage would keep them", []
    if storage.uri is not None:
        return "The winner's weights are in its folder", [f"{storage.uri.rstrip('/')}/{folder}/"]
    assert storage.persistent_volume_claim is not None  # the type has exactly one form
    return f"The winner's weights are in claim {storage.persistent_volume_claim.claim_name}", [f"{folder}/"]
