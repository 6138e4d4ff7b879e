"""How the operator finds the API server from within a pod."""

import kopf
import pytest

from seedsweep.kube.watching.watches import find_api_server

BY_NAME = kopf.ConnectionInfo(server="https://kubernetes.default.svc", token="secret")


@pytest.mark.parametrize(
    ("host", "server"), [("192.0.2.1", "https://192.0.2.1:443"), ("2001:db8::1", "https://[2001:db8::1]:443")]
)
def test_in_a_pod_it_is_called_by_its_address_so_that_no_dns_is_needed(
    monkeypatch: pytest.MonkeyPatch, host: str, server: str
):
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: BY_NAME)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = find_api_server()
    assert found is not None
    assert (found.server, found.token) == (server, "secret")


def test_elsewhere_the_kubeconfig_says_where_it_is(monkeypatch: pytest.MonkeyPatch):
    elsewhere = kopf.ConnectionInfo(server="https://cluster.example")
    monkeypatch.setattr(kopf, "login_with_service_account", lambda **_: None)
    monkeypatch.setattr(kopf, "login_with_kubeconfig", lambda **_: elsewhere)
    assert find_api_server() == elsewhere
