"""An adapter onto the Hugging Face hub: the files of an export for it, private unless said otherwise."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.config import EngineSettings
from assistant.errors import AdapterError, UsageError, one_line
from assistant.models.fetching import is_hub_id
from train.adapter_export import export


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was sent, or would be: file → bytes; and its address, empty where nothing was sent."""

    files: dict[str, int]
    address: str


def push(
    engine: EngineSettings, adapters: Path, name: str, repository: str, *, public: bool = False, dry: bool = False
) -> Pushed:
    """Send adapter ``name`` to OWNER/NAME, which is made if it is not there.

    Without a token of the Hub nothing is sent, as with ``dry``. Raises what ``export`` raises, UsageError for what is
    no id, AdapterError when the Hub refuses or does not answer.
    """
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    no_id = UsageError(f"{repository!r} is no Hugging Face id.", "Write OWNER/NAME.")
    if not is_hub_id(repository):
        raise no_id
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "export"
        export(engine, "", adapters, name, folder, "hub")
        files = {file.name: file.stat().st_size for file in sorted(folder.iterdir())}
        if dry or not get_token():
            return Pushed(files, "")
        try:
            hub = HfApi()
            address = hub.create_repo(repository, private=not public, exist_ok=True)
            hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"Adapter {name}")
        except HFValidationError:
            raise no_id from None
        except (HfHubHTTPError, OSError) as error:
            told = "Check the name and your access: hf auth login"
            raise AdapterError(f"{repository} could not be written: {one_line(error)}", told) from None
    return Pushed(files, str(address))
