"""The kinds of charts/seedsweep/crds on a real API server: what it takes, what it refuses and how, what it shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from cluster.controlplane import ControlPlane
from cluster.objects import EPISODE, Object, Store, refusal, run_kubectl, with_change, with_status
from inputs.invalid_sweeps import INVALID, OWN, TASK, InvalidSweep
from inputs.sweeps import FINE_TUNING, as_resource, changed
from seedsweep.api.comparison import Compared
from seedsweep.api.core.objects import ObjectMeta
from seedsweep.api.cut import Cut, CutData, CutEvidence
from seedsweep.api.episode import Attempt, EpisodeStatus, RungScore
from seedsweep.api.reading.parse import InvalidSweepError, load_sweep, parse_sweep
from seedsweep.api.schema.crd import GROUP, KINDS
from seedsweep.api.status import Best, Summary, SweepStatus
from seedsweep.api.sweep import SeedSweep

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.yaml"
pytestmark = pytest.mark.usefixtures("kinds")


def document(text: str) -> Object:
    found: Object = as_resource(parse_sweep(text))
    return found


def raw(text: str) -> Object:
    """As it was written, whether or not the parser would refuse it."""
    found: Object = json.loads(text) if text.startswith("{") else YAML(typ="safe", pure=True).load(text)
    return found


# --- what is installed


def test_the_definitions_are_established_and_structural(control_plane: ControlPlane):
    for kind in KINDS:
        found = json.loads(run_kubectl(control_plane, "get", "crd", f"{kind.plural}.{GROUP}", "-o", "json"))
        conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
        assert conditions["Established"] == conditions["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in conditions


def test_short_names_and_the_category_lead_to_the_kinds(control_plane: ControlPlane, namespace: str):
    for name in ("ssw", "epi", "cuts", "seedsweep"):
        assert run_kubectl(control_plane, "get", name, "-n", namespace) == ""


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("ssw", "Fine-tuning episodes that differ only in their seeds"),
        ("ssw.spec.parallelism", "Number of episodes that may train at once"),
        ("ssw.spec.progressDeadlineSeconds", "Defaults to 1800."),
        ("ssw.spec.earlyStopping.rungs.keep", "Number of episodes that train on."),
        ("ssw.spec.podTemplate.spec.tolerations.effect", "Same as effect of Toleration in core/v1."),
        ("epi.status.verdict", "How the episode ended for good."),
        ("cuts.data.threshold", "Score of the last episode that was kept."),
        ("cuts.evidence.alike", "Number of losers that could not be told apart from the last episode that was kept"),
    ],
)
def test_kubectl_explains_a_field_by_itself(control_plane: ControlPlane, field: str, said: str):
    assert said in " ".join(run_kubectl(control_plane, "explain", field).split())


# --- what is refused


@pytest.mark.parametrize("case", [case for case in INVALID if case.server is not None], ids=str)
def test_an_invalid_sweep_is_refused_with_a_message_that_helps(store: Store, case: InvalidSweep):
    assert case.server is not None
    assert case.server in refusal(store.try_create(raw(case.text), dry_run=True))


def test_kubectl_apply_refuses_a_misspelt_field(control_plane: ControlPlane, namespace: str):
    message = run_kubectl(
        control_plane, "apply", "-n", namespace, "-f", "-", given=changed("spec.paralelism", 3), refused=True
    )
    assert 'unknown field "spec.paralelism"' in message


# --- what is accepted

EVERYTHING = {
    "metadata": {"labels": {"team": "nlp"}, "annotations": {"example.org/cost-centre": "7"}},
    "spec": {
        "nodeSelector": {"pool": "a100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            },
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 1,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"app": "x"}},
                        },
                    }
                ]
            },
        },
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "conf", "configMap": {"name": "conf", "items": [{"key": "a", "path": "b"}]}},
        ],
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "low",
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}],
        "schedulingGates": [{"name": "example.org/queue"}],
        "securityContext": {"fsGroup": 1000},
        "terminationGracePeriodSeconds": 60,
    },
}
TRAINER = {
    **OWN,
    "image": "example.org/trainer:1",
    "config": {"configMap": {"name": "conf", "key": "config.json"}},
    "env": [{"name": "A", "value": "b"}, {"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "t"}}}],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "conf"}}],
    "resources": {"limits": {"nvidia.com/gpu": 1, "memory": "8Gi"}, "claims": [{"name": "gpu"}]},
    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    "gauges": {"score": "my_acc"},
}
LONG_KEYS = {f"{'p' * 253}/{i:063}": "v" * 63 for i in range(100)}
FULL = {
    "metadata": {"labels": LONG_KEYS, "annotations": LONG_KEYS},
    "spec": {
        "nodeSelector": LONG_KEYS,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": f"zone{i}",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": LONG_KEYS},
            }
            for i in range(20)
        ],
    },
}
VALID = {
    "two lists": changed(
        "spec.seeds.grid", {"weightInits": {"values": [3, 7]}, "dataOrders": {"values": [1, 2, 3, 4]}}
    ),
    "a sample": changed("spec.seeds.grid.sample", {"size": 5, "seed": 1}),
    "a sample of the largest grid": changed(
        "spec.seeds.grid", {"weightInits": {"count": 500}, "dataOrders": {"count": 500}, "sample": {"size": 8}}
    ),
    "pairs": changed("spec.seeds", {"pairs": [{"weightInit": i, "dataOrder": 2 * i} for i in range(8)]}),
    "single seeds": changed("spec.seeds", {"single": {"count": 8}}),
    "no early stopping": changed("spec.earlyStopping", ...),
    "an empty early stopping": changed("spec.earlyStopping", None),
    "three rungs": changed(
        "spec.earlyStopping",
        {"rungs": [{"atPercent": 20 * i, "keep": 8 // i} for i in (1, 2, 4)], "audit": {"percent": 5}},
    ),
    "brackets": changed(
        "spec.earlyStopping",
        {"brackets": [{"episodes": 3, "rungs": []}, {"episodes": 5, "rungs": [{"atPercent": 30, "keep": 1}]}]},
    ),
    "hyperband": changed("spec.earlyStopping", {"hyperband": {"eta": 4}}),
    "a GLUE task": changed("spec.trainer.fineTuning", {"model": "m", "dataset": TASK, "weightDecay": "0"}),
    "a kept head": changed(
        "spec.seeds",
        {"grid": {"weightInits": {"values": [7]}, "dataOrders": {"count": 8}}},
        changed("spec.trainer.fineTuning.head", "keep"),
    ),
    "a kept head above parts that are drawn": changed(
        "spec.trainer.fineTuning.head", "keep", changed("spec.trainer.fineTuning.reinit", ["bert.pooler"])
    ),
    "a trainer of one's own": changed("spec.trainer", TRAINER),
    "everything for pods": changed("spec.podTemplate", EVERYTHING),
    "as many and as long keys as there may be": changed("spec.podTemplate", FULL),
    "as many words as there may be": changed(
        "spec.trainer",
        {
            **OWN,
            "command": ["c" * 86] * 500,
            "args": ["a" * 86] * 500,
            "env": [{"name": f"E{i:080}"} for i in range(500)],
        },
    ),
    "a claim": changed("spec.storage", {"persistentVolumeClaim": {"claimName": "weights"}}),
    "a bucket": changed("spec.storage", {"uri": "s3://bucket/prefix", "retentionPolicy": {"whenFinished": "KeepAll"}}),
    **{path.name: path.read_text() for path in EXAMPLES},
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID.keys())
def test_what_the_parser_accepts_the_api_server_accepts_and_means_the_same(store: Store, text: str):
    sweep = parse_sweep(text)
    live = store.create(document(text))
    read = SeedSweep.model_validate_json(json.dumps(live))
    assert read.spec == sweep.spec
    assert read.metadata.uid == live["metadata"]["uid"]


def test_a_null_is_as_good_as_no_field(store: Store):
    live = store.create(with_change(document(FINE_TUNING), "spec.maxFailedEpisodes", None))
    assert "maxFailedEpisodes" not in live["spec"]


def test_whether_an_interval_was_asked_for_can_still_be_told(store: Store):
    live = store.create(document(FINE_TUNING))
    read = SeedSweep.model_validate_json(json.dumps(live))
    assert read.spec.scrape.model_fields_set == set()


def test_defaults_are_written_down_for_a_later_release_to_find(store: Store):
    live = store.create(document(FINE_TUNING))
    assert live["spec"]["trainer"]["fineTuning"]["learningRate"] == "2e-5"
    assert live["spec"]["progressDeadlineSeconds"] == 1800


def test_a_sweep_can_be_applied_again_and_what_kubectl_prints_is_a_valid_file(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
):
    run_kubectl(control_plane, "apply", "-n", namespace, "-f", str(QUICKSTART))
    again = run_kubectl(control_plane, "apply", "-n", namespace, "-f", str(QUICKSTART))
    assert again == "seedsweep.seedsweep.io/quickstart unchanged\n"
    printed = tmp_path / "printed.yaml"
    printed.write_text(
        run_kubectl(control_plane, "get", "ssw", "quickstart", "-n", namespace, "-o", "yaml", "--show-managed-fields")
    )
    assert load_sweep(printed).spec == load_sweep(QUICKSTART).spec


def mostly(good: st.SearchStrategy[Any], wild: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One part in ten is wild, so that of a whole some are good, and some wrong in one place alone."""
    return st.integers(0, 9).flatmap(lambda die: wild if die == 0 else good)


def having(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(fields)


def perhaps(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries({}, optional=fields)


def falling(rungs: list[Object]) -> list[Object]:
    """With as few kept, and as late, as a ladder needs; two may still fall on one evaluation."""
    keeps = sorted((rung["keep"] for rung in rungs), reverse=True)
    return [
        {"atPercent": at, "keep": keep}
        for at, keep in zip(sorted({r["atPercent"] for r in rungs}), keeps, strict=False)
    ]


small = st.integers(0, 4)
seed_range = mostly(
    having(count=st.integers(1, 4)) | having(values=st.lists(small, min_size=1, max_size=3, unique=True)),
    perhaps(count=small, values=st.lists(small, max_size=3)),
)
grid = having(weightInits=seed_range, dataOrders=seed_range)
sampled = having(weightInits=seed_range, dataOrders=seed_range, sample=having(size=st.integers(1, 9)))
pairs = st.lists(having(weightInit=small, dataOrder=small), max_size=5)
seeds = mostly(
    having(grid=grid) | having(grid=sampled) | having(pairs=pairs) | having(single=seed_range),
    perhaps(grid=grid, pairs=pairs, single=seed_range),
)
rungs = st.lists(having(atPercent=st.sampled_from([5, 10, 30, 35, 60, 99]), keep=st.integers(1, 5)), max_size=3)
ladder = mostly(rungs.map(falling), rungs)
brackets = st.lists(having(episodes=st.integers(1, 4), rungs=ladder), max_size=3)
stopping = mostly(
    st.none() | having(rungs=ladder) | having(brackets=brackets), perhaps(rungs=ladder, brackets=brackets)
)
WILD_RATES = ["0", "-1", "1e999", "1_0", " 1", "e1", "", "inf", "-0.0"]
tuning = having(
    epochs=st.integers(1, 2),
    evaluationsPerEpoch=mostly(st.sampled_from([1, 5, 10]), st.just(200)),
    head=mostly(st.just("reinit"), st.just("keep")),
    reinit=st.lists(st.sampled_from(["bert.pooler", "bert.encoder.layer.11"]), max_size=2),
    learningRate=mostly(st.sampled_from(["2e-5", ".5", "1.", "+1e9"]), st.sampled_from(WILD_RATES)),
)


@given(seeds=seeds, stopping=stopping, tuning=tuning)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parser_and_the_api_server_agree(store: Store, seeds: Object, stopping: Any, tuning: Object):
    body = raw(FINE_TUNING)
    body["spec"] |= {"seeds": seeds, "earlyStopping": stopping}
    body["spec"]["trainer"]["fineTuning"] |= tuning
    try:
        parse_sweep(json.dumps(body))
    except InvalidSweepError:
        event("refused")
        refusal(store.try_create(body, dry_run=True))
    else:
        event("accepted")
        assert store.try_create(body, dry_run=True)[0] == 201


key = st.text(st.sampled_from("aA0-_./"), max_size=6) | st.sampled_from(["x" * 63, "x" * 64, "seedsweep.io/x"])
labels = st.dictionaries(key, st.text(st.sampled_from("aA0-_./"), max_size=4), max_size=2)


@given(labels=labels, annotations=labels, selector=labels)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parser_and_the_api_server_agree_on_labels(
    store: Store, labels: Object, annotations: Object, selector: Object
):
    body = raw(FINE_TUNING)
    metadata = {"labels": labels, "annotations": annotations}
    body["spec"]["podTemplate"] = {"metadata": metadata, "spec": {"nodeSelector": selector}}
    try:
        parse_sweep(json.dumps(body))
    except InvalidSweepError:
        event("refused")
        refusal(store.try_create(body, dry_run=True))
    else:
        event("accepted")
        assert store.try_create(body, dry_run=True)[0] == 201


# --- what people see


def test_kubectl_get_shows_how_a_sweep_stands(store: Store, control_plane: ControlPlane, namespace: str):
    live = store.create(document(FINE_TUNING))
    summary = Summary(episodes="2 running, 6 lost", score="0.7726", saved="24 %", gpu_hours="1.5")
    place = "persistentVolumeClaim/weights:team/uid/best"
    best = Best(episode="wi3-do1", weight_init=3, data_order=1, score=0.77256, evaluation=9, weights=place)
    status = SweepStatus(phase="Running", message="survivors train to the end", summary=summary, best=best)
    store.replace(with_status(live, status), "status")
    heads, row = run_kubectl(control_plane, "get", "ssw", "-n", namespace, "-o", "wide").splitlines()
    narrow = ["NAME", "PHASE", "BEST SCORE", "BEST EPISODE", "EPISODES", "STEPS SAVED", "AGE"]
    assert re.split(r"\s{2,}", heads.strip()) == [*narrow, "WEIGHTS", "GPU HOURS", "MESSAGE"]
    cells = ("demo", "Running", "0.7726", "wi3-do1", "2 running, 6 lost", "24 %", place, "1.5", "survivors train to")
    for cell in cells:
        assert cell in row


def test_kubectl_get_shows_how_many_losers_could_not_be_told_apart(
    store: Store, control_plane: ControlPlane, namespace: str
):
    ranked = [f"wi{i}-do0" for i in range(20)]
    scores: list[float | None] = [0.9 - i / 100 for i in range(20)]
    data = CutData(
        sweep="demo", bracket=0, rung=0, evaluation=3, keep=2, rank_by="best", ranked=ranked, scores=scores
    ).evolve(threshold=0.89)
    evidence = CutEvidence.of(data, Compared(letters="A" * 11 + "T" * 7, examples=872, level=0.05))
    body = Cut(metadata=ObjectMeta(name="demo-b0-r0"), data=data, evidence=evidence)
    store.create(body.model_dump(mode="json", by_alias=True, exclude_none=True))
    heads, row = run_kubectl(control_plane, "get", "cuts", "-n", namespace).splitlines()
    names = ["NAME", "BRACKET", "RUNG", "EVALUATION", "KEPT", "THRESHOLD", "NOT TOLD APART", "AGE"]
    assert re.split(r"\s{2,}", heads.strip()) == names
    assert re.split(r"\s{2,}", row.strip())[5:7] == ["0.89", "11 of 18 losers"]


def test_kubectl_get_shows_an_episodes_last_rung_score_and_node(
    store: Store, control_plane: ControlPlane, namespace: str
):
    live = store.create(EPISODE)
    attempts = [Attempt(uid="1", node="node-a"), Attempt(uid="2", node="node-b")]
    scores = [RungScore(rung=0, evaluation=3, score=0.5), RungScore(rung=1, evaluation=5, score=0.625)]
    store.replace(with_status(live, EpisodeStatus(state="Running", attempts=attempts, rung_scores=scores)))
    row = run_kubectl(control_plane, "get", "epi", "-n", namespace).splitlines()[1]
    assert row.split()[:4] == ["demo-wi0-do1", "Running", "0.625", "node-b"]
