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
    """The folder of a data set of the hub, or of a ``part`` of it; downloaded unless it was before.

    Raises PairsError when it cannot be had, holds no files of data, or several sets.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [f"{part}/*{suffix}" if part else f"*{suffix}" for suffix in ROW_SUFFIXES]

    def downloaded(only_here: bool) -> Path:
        folder = snapshot_download(repository, repo_type="dataset", allow_patterns=wanted, local_files_only=only_here)
        return Path(folder) / part

    named = f"{repository}/{part}".rstrip("/")
    try:
        folder = downloaded(only_here=True)
        is_here = bool(data_files(folder))
    except LocalEntryNotFoundError:
        is_here = False
    except ValueError:
        raise PairsError(f"'{repository}' is no Hugging Face id.", "Write owner/name, or the path of a file.") from None
    if not is_here:
        if not hub_answers():
            raise PairsError(
                f"{named} is no file or folder here, and the Hugging Face hub does not answer.",
                f"Where there is a network: hf download --repo-type dataset {repository}; then name the folder.",
            )
        try:
            folder = downloaded(only_here=False)
        except (HfHubHTTPError, OSError) as error:
            raise PairsError(
                f"The data set {named} could not be downloaded: {one_line(error)}", "Check the name and your access."
            ) from None
    # Folders that are named for a split are parts of one set.
    folders = {path.parts[0] for path in data_files(folder) if len(path.parts) > 1 and not split_named(path.parent)}
    if len(folders) > 1:
        raise PairsError(
            f"{named} holds several sets: {', '.join(sorted(folders))}.", f"Name one: data={named}/{min(folders)}"
        )
    return folder
