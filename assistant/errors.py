"""Every error the assistant raises on purpose.

    AssistantError                 exit status 1
    ├── UsageError                 exit status 2: wrong arguments or configuration
    │   ├── ConfigError
    │   ├── QuestionTooLongError
    │   └── UnknownModel           a corpus (UnknownCorpus) or adapter that the workspace does not hold
    ├── WorkspaceError             the workspace is locked, damaged, or of another version
    │   ├── WorkspaceBusy
    │   ├── StateDown              the database of people and conversations cannot be reached
    │   ├── CatalogVersionError
    │   └── IdentityError          an artifact was made with other models than the ones configured
    ├── ModelError                 a model cannot be found, loaded, or run
    │   ├── PromptTooLongError
    │   └── OnlyThoughtError
    ├── ReadError                  one file cannot be turned into a document
    ├── IngestError                an ingest as a whole cannot go on
    ├── PairsError                 a file of pairs or a user's data set cannot be used, or no pairs came out
    ├── TrainingError              a training cannot begin or go on
    └── AdapterError               an adapter is damaged, unsafe, or cannot be combined
        └── UnknownAdapterError    there is no adapter of that name

A message says in one line what happened, with the values; ``remedy`` says what to do about it.
The command line catches the root once and turns it into one line and an exit status.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class AssistantError(Exception):
    """Root of all errors; ``exit_status`` is what a command ends with."""

    exit_status = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def __reduce__(self) -> tuple[type["AssistantError"], tuple[str, str]]:
        # Errors cross process borders; the default would drop the remedy.
        return type(self), (self.message, self.remedy)


class UsageError(AssistantError):
    """The command or its arguments are wrong."""

    exit_status = 2


class ConfigError(UsageError):
    """The configuration names an unknown key or holds an impossible value."""


class QuestionTooLongError(UsageError):
    """A question has more characters than ``answer.question_characters``."""


class UnknownModel(UsageError):
    """A corpus or adapter that the workspace does not hold."""


class UnknownCorpus(UnknownModel):
    """A corpus that the workspace does not hold."""


class WorkspaceError(AssistantError):
    """The workspace cannot be used as it is."""


class WorkspaceBusy(WorkspaceError):
    """Another process is writing to the workspace."""


class StateDown(WorkspaceError):
    """The database server that keeps people, conversations and jobs cannot be reached now."""


class CatalogVersionError(WorkspaceError):
    """The catalog was written by a newer version of this program."""


class IdentityError(WorkspaceError):
    """An artifact was made with another model than the one configured."""


class ModelError(AssistantError):
    """A model cannot be found, loaded, or run."""


class PromptTooLongError(ModelError):
    """A question with its best passage is longer than what the model reads."""


class OnlyThoughtError(ModelError):
    """A model used up its tokens for thoughts, or ended with them: there is no answer."""


class ReadError(AssistantError):
    """One file cannot be turned into a document."""


class IngestError(AssistantError):
    """An ingest as a whole cannot go on."""


class PairsError(AssistantError):
    """A file of pairs or a user's data set cannot be used, or no pairs came out."""


class TrainingError(AssistantError):
    """A training cannot begin or go on."""


class AdapterError(AssistantError):
    """An adapter is damaged, unsafe, or cannot be combined."""


class UnknownAdapterError(AdapterError):
    """There is no adapter of that name."""


def one_line(error: BaseException, longest: int = 200) -> str:
    """What a library says went wrong, in one line of at most ``longest`` characters."""
    return " ".join(str(error).split())[:longest]


def first_fault(error: "ValidationError", whole: str = "the file") -> str:
    """The first key that is wrong, and why, in a line; ``whole`` stands for a key where all of it is."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or whole}: {first['msg']}"
