"""What is shown, as HTML that is safe: everything from documents, names, models and people goes through ``safe``."""
