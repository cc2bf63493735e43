"""`examples/deployment`: what its files say of each other, and of the commands that they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asyncsim import Timeout
from asyncsim.version import __version__
from tests import deployment

OURS = ("asyncsim-migrate", "asyncsim-worker", "asyncsim-receiver")
GIVEN = {
    "PUBLIC_URL": "https://example.com/sims",
    "POSTGRES_PASSWORD": "of postgres",
    "OWNER_PASSWORD": "of the owner",
    "WORKER_PASSWORD": "of the worker",
}


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in deployment.pods().items():
        for container in pod["containers"]:
            yield name, container


def references(kind: str) -> set[tuple[str, str]]:
    """The keys of Secrets or ConfigMaps that variables take."""
    return {
        (source["name"], source["key"])
        for _, container in containers()
        for variable in container["env"]
        if (source := variable.get("valueFrom", {}).get(kind)) is not None
    }


def test_kustomize_is_given_every_manifest_and_file() -> None:
    named = {deployment.FOLDER / one for one in deployment.KUSTOMIZATION["resources"]}
    assert named == set(deployment.MANIFESTS)
    (roles,) = deployment.KUSTOMIZATION["configMapGenerator"]
    files = [one.partition("=")[2] for one in roles["files"]]
    assert files == ["roles.sql", "passwords.sql"]
    mounted = {one["configMap"]["name"] for one in volumes("configMap")}
    assert mounted == {roles["name"]}


def volumes(kind: str) -> list[dict[str, Any]]:
    pods = deployment.pods().values()
    return [one for pod in pods for one in pod.get("volumes", ()) if kind in one]


def test_compose_and_kubernetes_run_this_version() -> None:
    (image,) = deployment.KUSTOMIZATION["images"]
    assert image["name"] == deployment.IMAGE
    assert image["newTag"] == __version__
    used = {name: container["image"] for name, container in containers() if name in OURS}
    assert used == dict.fromkeys(OURS, deployment.IMAGE)
    ours = {one["image"] for name, one in deployment.services().items() if name != "postgres"}
    assert ours == {f"{deployment.IMAGE}:{__version__}"}


def test_both_run_the_same_postgres() -> None:
    images = {container["image"] for name, container in containers() if name == "postgres"}
    assert images == {deployment.services()["postgres"]["image"]}


@pytest.mark.parametrize("name", ["migrate", "worker", "receiver"])
def test_compose_and_kubernetes_run_the_same_command(name: str) -> None:
    pod = deployment.in_kubernetes(f"asyncsim-{name}")
    service = deployment.in_compose(name, GIVEN)
    assert re.split("[ =]", " ".join(pod.arguments)) == re.split(
        "[ =]", " ".join(service.arguments)
    )
    assert pod.variables["ASYNCSIM_JOURNAL"] == service.variables["ASYNCSIM_JOURNAL"]
    assert pod.variables["PGPASSWORD"].startswith("secret:asyncsim-passwords/")


@pytest.mark.parametrize("name", ["worker", "receiver"])
def test_a_process_has_the_time_that_its_slowest_request_takes(name: str) -> None:
    pod, service = deployment.in_kubernetes(f"asyncsim-{name}"), deployment.in_compose(name, GIVEN)
    if name == "worker":
        assert min(pod.grace, service.grace) >= Timeout().request + 10.0
    assert pod.grace == service.grace


def test_no_password_is_in_a_file() -> None:
    assert not [one for one in deployment.objects() if one["kind"] == "Secret"]
    texts = [path.read_text("utf-8") for path in (*deployment.MANIFESTS, deployment.COMPOSE)]
    assert not [text for text in texts if re.search(r"postgresql://[^/\s@]*:", text)]
    for name, container in containers():
        for variable in container["env"]:
            if "PASSWORD" in variable["name"]:
                assert "secretKeyRef" in variable["valueFrom"], name
    for service in deployment.services().values():
        for name, text in service["environment"].items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?is missing in \.env\}", text)


def test_every_setting_that_is_referred_to_is_there() -> None:
    settings = deployment.named("ConfigMap", "asyncsim")
    keys = {("asyncsim", key) for key in settings["data"]}
    assert references("configMapKeyRef") == keys


def test_pods_are_as_the_restricted_pod_security_standard_demands() -> None:
    enforced = deployment.named("Namespace", "asyncsim")["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in deployment.pods().items():
        given = pod["securityContext"]
        assert given["runAsNonRoot"], name
        assert given["runAsUser"] > 0, name
        assert given["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
    for name, container in containers():
        given = container["securityContext"]
        assert given["allowPrivilegeEscalation"] is False, name
        assert given["readOnlyRootFilesystem"] is True, name
        assert given["capabilities"] == {"drop": ["ALL"]}, name
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}, name
        assert "memory" in resources["limits"], name


def test_processes_of_ours_run_as_the_user_of_the_image_and_read_secrets_by_their_group() -> None:
    (user,) = re.findall(
        r"^USER (\d+)$", (deployment.FOLDER / "Dockerfile").read_text("utf-8"), re.MULTILINE
    )
    for name in OURS:
        given = deployment.pods()[name]["securityContext"]
        assert str(given["runAsUser"]) == str(given["runAsGroup"]) == user
    for name in OURS[1:]:
        pod = deployment.pods()[name]
        assert str(pod["securityContext"]["fsGroup"]) == user
        (volume,) = pod["volumes"]
        # YAML 1.1, which Kubernetes reads, takes a leading zero for octal.
        assert volume["secret"]["defaultMode"] == 0o440
        (mount,) = pod["containers"][0]["volumeMounts"]
        file = deployment.in_kubernetes(name).variables["ASYNCSIM_PROFILES_FILE"]
        assert Path(file).parent == Path(mount["mountPath"])


@pytest.mark.parametrize(("name", "option"), [("worker", "--health"), ("receiver", "--listen")])
def test_probes_call_the_port_that_the_command_opens(name: str, option: str) -> None:
    (container,) = deployment.pods()[f"asyncsim-{name}"]["containers"]
    (port,) = container["ports"]
    host, _, opened = deployment.in_kubernetes(f"asyncsim-{name}").option(option).rpartition(":")
    assert (host, int(opened)) == ("0.0.0.0", port["containerPort"])
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port["name"]
    checked = " ".join(deployment.services()[name]["healthcheck"]["test"])
    assert f"http://127.0.0.1:{opened}/" in checked


def test_selectors_find_the_pods_and_the_port() -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in deployment.objects()
        if "template" in one.get("spec", {})
    }
    for one in deployment.objects():
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] == "Service":
            assert spec["selector"] == labels[name]
            (port,) = spec["ports"]
            (container,) = deployment.pods()[name]["containers"]
            (opened,) = container["ports"]
            assert port.get("targetPort", port["port"]) in (
                opened["name"],
                opened["containerPort"],
            )
        elif "selector" in spec:
            assert spec["selector"]["matchLabels"] == labels[name]
    for name, pod in deployment.pods().items():
        for spread in pod.get("topologySpreadConstraints", ()):
            assert spread["labelSelector"]["matchLabels"] == labels[name]


def test_the_image_runs_the_command_itself_so_that_it_gets_sigterm() -> None:
    text = (deployment.FOLDER / "Dockerfile").read_text("utf-8")
    assert yaml.safe_load(re.findall(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[0]) == ["asyncsim"]
