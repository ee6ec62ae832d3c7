"""The core of the domain assistant: retrieval, prompt, engines, answers, and the command."""

__version__ = "0.1.0"
