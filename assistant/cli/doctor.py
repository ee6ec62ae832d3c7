"""``assistant doctor``: what is wrong with an installation, and the remedy."""

import json
from dataclasses import asdict

import click

from assistant.cli.options import json_option, workspace_options
from assistant.config import Settings
from assistant.workspace import Workspace

_SIGNS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@click.command("doctor", epilog="Example: assistant doctor")
@workspace_options
@json_option
def command(workspace: Workspace, settings: Settings, as_json: bool) -> int:
    """Check device, memory, disk, models and workspace; say what is wrong and the command that mends it."""
    from assistant.doctor import examine

    findings = examine(workspace, settings)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            sign, colour = _SIGNS[finding.severity]
            click.echo(f"{click.style(sign, fg=colour)} {finding.name}: {finding.message}")
            if finding.remedy:
                click.echo(f"    {finding.remedy}")
    return 1 if any(finding.severity == "error" for finding in findings) else 0
