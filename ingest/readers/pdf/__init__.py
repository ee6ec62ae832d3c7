"""PDF: a page's lines with their places, less what is not drawn, to headings, paragraphs, lists and tables."""

from .reader import read_pdf

__all__ = ["read_pdf"]
