"""The files of `examples/deployment`: what they run, with which variables, and how it is probed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from attrs import evolve, frozen

FOLDER = Path(__file__).parent.parent / "examples" / "deployment"
COMPOSE = FOLDER / "compose.yaml"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
MANIFESTS = sorted((FOLDER / "kubernetes").glob("*.yaml"))
IMAGE = "asyncsim"

_BY_KUBERNETES = re.compile(r"\$\((\w+)\)")
_BY_COMPOSE = re.compile(r"\$\{(\w+):\?[^}]*\}")


def objects() -> Iterator[dict[str, Any]]:
    """All objects for Kubernetes."""
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text("utf-8"))


def named(kind: str, name: str) -> dict[str, Any]:
    """One object for Kubernetes."""
    (found,) = (one for one in objects() if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def pods() -> dict[str, dict[str, Any]]:
    """The specification of each pod, by the name of what makes it."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in objects()
        if "template" in one.get("spec", {})
    }


def services() -> dict[str, dict[str, Any]]:
    """The services of compose."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


@frozen(kw_only=True)
class Process:
    """A process of ours, as one of the files describes it."""

    arguments: Sequence[str]
    variables: Mapping[str, str]
    """Values, or `secret:NAME/KEY`."""
    probes: Sequence[str]
    """Paths of its probes."""
    grace: float
    """Seconds from SIGTERM to SIGKILL."""

    def with_variables(self, more: Mapping[str, str]) -> Process:
        """The same with further variables; its own come first."""
        return evolve(self, variables={**more, **self.variables})

    def option(self, name: str) -> str:
        """The value of an option, as `--name value` or `--name=value`."""
        for place, argument in enumerate(self.arguments):
            if argument == name:
                return self.arguments[place + 1]
            if argument.startswith(f"{name}="):
                return argument.partition("=")[2]
        raise KeyError(name)


def in_kubernetes(pod: str) -> Process:
    """The process of a pod."""
    (container,) = pods()[pod]["containers"]
    variables = {one["name"]: _value(one) for one in container["env"]}
    arguments = [
        _BY_KUBERNETES.sub(lambda found: variables[found[1]], one) for one in container["args"]
    ]
    probes = [one["httpGet"]["path"] for name, one in container.items() if name.endswith("Probe")]
    grace = pods()[pod].get("terminationGracePeriodSeconds", 30)
    return Process(arguments=arguments, variables=variables, probes=probes, grace=grace)


def _value(variable: Mapping[str, Any]) -> str:
    """The value of a variable."""
    if "value" in variable:
        return str(variable["value"])
    source = variable["valueFrom"]
    if (secret := source.get("secretKeyRef")) is not None:
        return f"secret:{secret['name']}/{secret['key']}"
    settings = source["configMapKeyRef"]
    return str(named("ConfigMap", settings["name"])["data"][settings["key"]])


def in_compose(name: str, given: Mapping[str, str]) -> Process:
    """The process of a service; `given` is its file `.env`."""

    def fill(text: str) -> str:
        return _BY_COMPOSE.sub(lambda found: given[found[1]], text)

    service = services()[name]
    probe = " ".join(service.get("healthcheck", {}).get("test", ()))
    return Process(
        arguments=[fill(one) for one in service["command"]],
        variables={name: fill(text) for name, text in service["environment"].items()},
        probes=re.findall(r"http://127\.0\.0\.1:\d+(/\w+)", probe),
        grace=float(service.get("stop_grace_period", "10s").removesuffix("s")),
    )
