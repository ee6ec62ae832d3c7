"""The Hugging Face hub: folders that are sent there, and rows as a data set with a file for each split and a card.

README.md    data/train.jsonl    data/validation.jsonl
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from assistant.artifacts.chat_rows import Record
from assistant.artifacts.pairs import Split
from assistant.artifacts.row_files import write_rows
from assistant.errors import AssistantError, PairsError, UsageError, one_line


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


def push_rows(rows: Mapping[Split, Sequence[Record]], repository: str, title: str, told: str) -> str:
    """Upload the rows of each split to OWNER/NAME, which is made private unless it is there; returns its address.

    ``told`` is what the card says of them. Without a token nothing is sent, and the address is empty. Raises UsageError
    for what is no id, PairsError when the hub refuses or does not answer.
    """
    from huggingface_hub import DatasetCardData

    if not has_token(repository):
        return ""
    files = [{"split": split, "path": f"data/{split}.jsonl"} for split in rows]
    card = DatasetCardData(
        pretty_name=title,
        task_categories=["question-answering"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "data").mkdir()
        for split, some in rows.items():
            write_rows(folder / "data" / f"{split}.jsonl", some)
        (folder / "README.md").write_text(f"---\n{card.to_yaml()}\n---\n\n# {title}\n\n{told}\n", encoding="utf-8")
        return push_folder(folder, repository, "dataset", title, PairsError)
