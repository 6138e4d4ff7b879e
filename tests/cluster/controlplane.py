"""A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler; no node, no Docker."""

import ipaddress
import json
import secrets
import shutil
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, Protocol, Self

from cluster import audit, binaries
from cluster.daemons import DaemonError, Daemons
from cluster.loopback import Network
from host.ports import free_port

ADMIN = "admin"
PROGRAMS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
READY_WITHIN = 120.0
ANSWER_WITHIN = 60.0

# A range set aside for documentation: no service address can ever be a machine somewhere.
SERVICE_ADDRESSES = "192.0.2.0/24"


class AnyNetwork(Protocol):
    """Where a control plane listens, and where its pods' addresses are."""

    host: str
    pods: str

    def close(self) -> None: ...


class RefusedError(Exception):
    """The API server refused what a test cluster takes for granted."""


class ControlPlane:
    """A running control plane, until `close`; a context manager. Several may run at once on a machine.

    `users` maps a user's name to its groups; `admin` may do everything. The controller manager (garbage collection,
    Jobs, namespaces) allows itself `controller_qps` requests a second, as its own default does. `network` is another
    one than a loopback network of its own. Methods block: call them through `asyncio.to_thread` where an event loop
    must go on.

    Raises BuildError where a program is missing, DaemonError with a log's tail where one does not come up.
    """

    def __init__(
        self,
        users: Mapping[str, Sequence[str]] | None = None,
        *,
        controller_qps: float = 20.0,
        network: AnyNetwork | None = None,
    ) -> None:
        self._programs = binaries.find(PROGRAMS)
        self.folder = Path(tempfile.mkdtemp(prefix="seedsweep-cluster-"))
        self.network = network or Network()
        self.daemons = Daemons(self.folder)
        self.url = f"https://{self.network.host}:{free_port()}"
        self._etcd = f"http://{self.network.host}:{free_port()}"
        groups = {**{name: ["system:masters"] for name in (ADMIN, *audit.INSIDERS)}, **(users or {})}
        self._tokens = {user: secrets.token_hex(16) for user in groups}
        self._write_settings(groups)
        try:
            self._start_etcd()
            self.start_api_server()
            self._start_controllers(controller_qps)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill everything and remove its folder."""
        self.daemons.close()
        self.network.close()
        shutil.rmtree(self.folder)

    def start_api_server(self) -> None:
        """Start the API server, on the same port and data each time, and wait until it is ready."""
        host, port = self.url.removeprefix("https://").split(":")
        certificates = self.folder / "certificates"
        self.daemons.start(
            "kube-apiserver",
            [
                str(self._programs["kube-apiserver"]),
                f"--etcd-servers={self._etcd}",
                f"--bind-address={host}",
                f"--secure-port={port}",
                f"--cert-dir={certificates}",
                # The key that the API server makes for its certificate also signs service accounts' tokens.
                f"--service-account-key-file={certificates / 'apiserver.key'}",
                f"--service-account-signing-key-file={certificates / 'apiserver.key'}",
                f"--service-account-issuer={self.url}",
                f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
                *self._advertised(host),
                "--authorization-mode=RBAC",
                # A node's name is known to nobody else.
                "--kubelet-preferred-address-types=InternalIP",
                # The controller that would take the taint away again is off: see _start_controllers.
                "--disable-admission-plugins=TaintNodesByCondition",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                f"--audit-policy-file={self.folder / 'audit-policy.json'}",
                f"--audit-log-path={self._audit_log}",
                "--audit-log-maxsize=100000",  # MB: one file, so that a position in it stays true
            ],
        )
        self._wait_until_ready()

    @staticmethod
    def _advertised(host: str) -> list[str]:
        # A loopback address may not stand in an Endpoints object.
        loopback = ipaddress.ip_address(host).is_loopback
        return ["--endpoint-reconciler-type=none"] if loopback else [f"--advertise-address={host}"]

    def kill_api_server(self) -> None:
        """Make the API server go away, with etcd and all else left running."""
        self.daemons.kill("kube-apiserver")

    def kubeconfig(self, user: str = ADMIN, namespace: str = "default") -> Path:
        """A kubeconfig file for a user. KeyError for one that the control plane was not started with."""
        path = self.folder / f"{user}.{namespace}.kubeconfig"
        cluster = {"server": self.url, "certificate-authority": str(self._authority)}
        context = {"cluster": "test", "user": user, "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "test", "context": context}],
            "current-context": "test",
        }
        path.write_text(json.dumps(content))
        return path

    def request(
        self, method: str, path: str, body: object = None, *, user: str = ADMIN, patch: str = "merge-patch"
    ) -> tuple[int, Any]:
        """One request to the API server: the status code, and the answer's object or text, whatever the code.

        `patch` is the kind of patch, such as `strategic-merge-patch`. A kind that was just defined or changed is waited
        for. Raises URLError where nobody answers.
        """
        deadline = time.monotonic() + ANSWER_WITHIN
        while True:
            code, answer = self._ask(method, path, body, user, patch)
            if code != 429 or "initializing" not in str(answer) or time.monotonic() > deadline:
                return code, answer
            time.sleep(0.2)

    def _ask(self, method: str, path: str, body: object, user: str, patch: str) -> tuple[int, Any]:
        kind = f"application/{patch}+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._tokens[user]}", "Content-Type": kind},
            method=method,
        )
        trust = ssl.create_default_context(cafile=str(self._authority))
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_WITHIN, context=trust) as answer:
                return answer.status, _parsed(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, _parsed(refusal)

    def create(self, path: str, body: object) -> Any:
        """POST an object as admin; the created object. Raises RefusedError where it is not created."""
        code, answer = self.request("POST", path, body)
        if code != 201:
            raise RefusedError(f"POST {path} was answered with {code}: {answer['message']}")
        return answer

    def create_namespace(self, name: str) -> None:
        """Create a namespace in which pods can be created at once. Raises RefusedError where it exists."""
        self.create("/api/v1/namespaces", {"metadata": {"name": name}})
        # Pods need it. The controller manager makes it too, at times before us, at times too late for the first pod.
        self.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})

    def allows(self, user: str, namespace: str, verb: str, group: str, resource: str) -> bool:
        """Whether a user may do something there; `resource` with its subresource."""
        plural, _, subresource = resource.partition("/")
        attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": plural}
        attributes |= {"subresource": subresource}
        review = {"spec": {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes}}
        answer = self.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def until_allowed(
        self, user: str, namespace: str, verb: str, group: str, resource: str, *, to: bool = True
    ) -> None:
        """Wait until a user may do something there, or may not: the API server hears of roles from its own watches.

        Raises TimeoutError.
        """
        deadline = time.monotonic() + READY_WITHIN
        while self.allows(user, namespace, verb, group, resource) != to:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{user} {'may not' if to else 'may'} {verb} {resource} in {namespace}")
            time.sleep(0.02)

    def audit_position(self) -> int:
        """Where the audit log ends now: hand it to `audit` to see only what comes after."""
        return audit.end(self._audit_log) if self._audit_log.exists() else 0

    def audit(self, since: int = 0) -> list[audit.AuditEvent]:
        """What was answered after a position, in order. A client with its answer finds its request here."""
        return list(audit.read(self._audit_log, since))

    @property
    def kubectl(self) -> Path:
        """The kubectl that fits."""
        return self._programs["kubectl"]

    @property
    def _audit_log(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def _authority(self) -> Path:
        return self.folder / "certificates" / "apiserver.crt"

    def _write_settings(self, groups: Mapping[str, Sequence[str]]) -> None:
        rows = [f'{self._tokens[user]},{user},{user},"{",".join(groups[user])}"\n' for user in groups]
        (self.folder / "tokens.csv").write_text("".join(rows))
        (self.folder / "audit-policy.json").write_text(json.dumps(audit.POLICY))

    def _start_etcd(self) -> None:
        peer = f"http://{self.network.host}:{free_port()}"
        self.daemons.start(
            "etcd",
            [
                str(self._programs["etcd"]),
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={self._etcd}",
                f"--advertise-client-urls={self._etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                "--unsafe-no-fsync",
            ],
        )

    def _start_controllers(self, qps: float) -> None:
        """Start what reconciles and what schedules. Neither is waited for: what they do is seen in the API."""
        shared = ["--leader-elect=false", f"--bind-address={self.network.host}"]
        for name, own in {
            "kube-controller-manager": [
                # Fake nodes send no heartbeats, and are not to be declared lost for it.
                "--controllers=*,-node-lifecycle-controller",
                "--use-service-account-credentials=false",
                f"--service-account-private-key-file={self.folder / 'certificates' / 'apiserver.key'}",
                # What pods with a token trust.
                f"--root-ca-file={self._authority}",
                f"--kube-api-qps={qps}",
                f"--kube-api-burst={1.5 * qps:.0f}",
            ],
            "kube-scheduler": ["--kube-api-qps=1000", "--kube-api-burst=1000"],
        }.items():
            settings = [f"--kubeconfig={self.kubeconfig(name)}", f"--secure-port={free_port()}"]
            self.daemons.start(name, [str(self._programs[name]), *shared, *settings, *own])

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not self._ready():
            for name in ("etcd", "kube-apiserver"):
                self.daemons.check(name)
            if time.monotonic() > deadline:
                tail = self.daemons.tail("kube-apiserver")
                raise DaemonError(f"the API server is not ready after {READY_WITHIN:.0f} s:\n{tail}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return self.request("GET", "/readyz")[0] == 200
        except OSError:
            return False


def _parsed(answer: HTTPResponse | urllib.error.HTTPError) -> Any:
    content = answer.read()
    return json.loads(content) if answer.headers.get_content_type() == "application/json" else content.decode()
