"""The command line, run in this process."""

import pytest

from assistant.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    status = ended.value.code
    assert isinstance(status, int)
    return status, captured.out, captured.err
