"""An answer and its trace as programs and people see them: JSON, lines of a terminal, Markdown, growing text, HTML."""
