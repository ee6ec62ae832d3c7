"""The core of the domain assistant: retrieval, prompt, engines, answers, and the command.

from assistant import open_assistant
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["open_assistant"]

if TYPE_CHECKING:
    from assistant.service.opened import open_assistant
else:

    def __getattr__(name: str) -> object:
        """``open_assistant``, which is imported when it is asked for: the command has to start quickly."""
        if name != "open_assistant":
            raise AttributeError(f"module 'assistant' has no attribute {name!r}")
        from assistant.service.opened import open_assistant

        return open_assistant
