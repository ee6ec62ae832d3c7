"""Where data to train on lies: a file or a folder of this machine, or a data set of the Hugging Face hub.

    data=house.jsonl    data=./sets    data=OWNER/NAME    data=OWNER/NAME/FOLDER

Files of the hub are read as those of people are; nothing that a data set brings along is run.
"""

from collections.abc import Sequence
from pathlib import Path

from assistant.artifacts.data_sets import DataNamed, DataSet, DataSource, data_files, read_data_set, split_named
from assistant.artifacts.row_files import ROW_SUFFIXES
from assistant.config.train_settings import TrainSettings
from assistant.errors import PairsError, one_line
from assistant.models.fetching import hub_answers, is_hub_id
from assistant.text.printing import counted
from assistant.work.progress import note


def read_data(settings: TrainSettings) -> DataSet:
    """What ``settings.data`` and ``settings.validation_data`` name, read.

    Raises PairsError for what is nowhere to be had, cannot be read, or holds nothing to train on.
    """
    return read_data_set(
        DataNamed(
            _sources(settings.data),
            _sources(settings.validation_data),
            dict[str, str](settings.columns.items()),
            settings.validation_share,
            settings.seed,
        )
    )


def _sources(names: Sequence[str]) -> list[DataSource]:
    sources = []
    for name in names:
        path = Path(name).expanduser()
        repository = "/".join(name.split("/")[:2])
        if path.exists():
            sources.append(DataSource(name, path))
        elif is_hub_id(repository) and path.suffix.lower() not in ROW_SUFFIXES:
            folder = hub_folder(repository, "/".join(name.split("/")[2:]))
            sources.append(DataSource(name, folder, is_of_hub=True))
        else:
            raise PairsError(
                f"There is no file or folder {name}.", "Name one, or a data set of the Hugging Face hub: OWNER/NAME."
            )
    return sources


def hub_folder(repository: str, part: str = "") -> Path:
    """The folder of a data set of the hub, or of a ``part`` of it.

    Where the hub answers, what is not here yet is downloaded: here may be another part, or a download that was killed.

    Raises PairsError when it cannot be had, holds no files of data, or several sets.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    named = f"{repository}/{part}".rstrip("/")
    part = part.rstrip("/")
    if part and not {"", ".", ".."}.isdisjoint(part.split("/")):
        raise PairsError(f"{named} leads out of {repository}.", "Name a folder in it: OWNER/NAME/FOLDER.")
    wanted = [f"{part}/*{suffix}" if part else f"*{suffix}" for suffix in ROW_SUFFIXES]
    found: list[Path] = []
    is_online = hub_answers()
    try:
        folder = Path(
            snapshot_download(repository, repo_type="dataset", allow_patterns=wanted, local_files_only=not is_online)
        )
        folder /= part
        found = data_files(folder)
    except ValueError:
        raise PairsError(f"'{repository}' is no Hugging Face id.", "Write owner/name, or the path of a file.") from None
    except (HfHubHTTPError, OSError) as error:
        if is_online:
            raise PairsError(
                f"The data set {named} could not be downloaded: {one_line(error)}", "Check the name and your access."
            ) from None
    if not found and is_online:
        raise PairsError(f"{named} holds no data.", f"Name a set with files of: {', '.join(ROW_SUFFIXES)}.")
    if not found:
        raise PairsError(
            f"{named} is no file or folder here, and the Hugging Face hub does not answer.",
            f"Where there is a network: hf download --repo-type dataset {repository}; then name the folder.",
        )
    if not is_online:
        note(f"The Hugging Face hub does not answer: of {named}, what is here is read ({counted(len(found), 'file')}).")
    # Folders that are named for a split are parts of one set.
    folders = {path.parts[0] for path in found if len(path.parts) > 1 and not split_named(path.parent)}
    if len(folders) > 1:
        raise PairsError(
            f"{named} holds several sets: {', '.join(sorted(folders))}.", f"Name one: data={named}/{min(folders)}"
        )
    return folder
