"""Rows as a data set of the Hugging Face hub: a file for each split, and a card that names them.

README.md    data/train.jsonl    data/validation.jsonl
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.artifacts.chat_rows import Record
from assistant.artifacts.hub import has_token, push_folder
from assistant.artifacts.pairs import Split
from assistant.artifacts.row_files import write_rows
from assistant.errors import PairsError


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
