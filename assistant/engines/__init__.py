"""What runs a language model: one small protocol, one module an implementation."""
