"""Folders as repositories of the Hugging Face hub."""

from pathlib import Path
from typing import Literal

from assistant.errors import AssistantError, UsageError, one_line


def has_token(repository: str) -> bool:
    """Whether who runs this is logged in to the hub. Raises UsageError where ``repository`` is not OWNER/NAME."""
    from huggingface_hub import get_token

    if repository.count("/") != 1:
        raise _no_id(repository)
    return bool(get_token())


def push_folder(
    folder: Path,
    repository: str,
    kind: Literal["model", "dataset"],
    message: str,
    refused: type[AssistantError],
    *,
    public: bool = False,
) -> str:
    """Upload a folder to OWNER/NAME, which is made private, or ``public``, unless it is there; returns its address.

    Raises UsageError for what is no id, ``refused`` when the hub refuses or does not answer, and where OWNER/NAME is
    there for everyone to see, unless ``public`` is asked for.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        hub = HfApi()
        address = hub.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        if not public and not hub.repo_info(repository, repo_type=kind).private:
            told = f"{repository} is there and public: everyone would see what is sent."
            raise refused(told, "Name another; adapters go to a public one with --public.")
        hub.upload_folder(repo_id=repository, folder_path=folder, repo_type=kind, commit_message=message)
    except HFValidationError:
        raise _no_id(repository) from None
    except (HfHubHTTPError, OSError) as error:
        told = f"{repository} could not be written: {one_line(error)}"
        raise refused(told, "Check the name, and your access: hf auth login") from None
    return str(address)


def is_public(repository: str, kind: Literal["model", "dataset"]) -> bool:
    """Whether everyone can see OWNER/NAME; False also where the hub does not say."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return not HfApi().repo_info(repository, repo_type=kind, token=False).private
    except (HfHubHTTPError, HFValidationError, OSError):
        return False


def _no_id(repository: str) -> UsageError:
    return UsageError(f"{repository!r} is no Hugging Face id.", "Write OWNER/NAME.")
