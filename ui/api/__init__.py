"""The assistant over HTTP: OpenAI's chat protocol, with evidence beside the answer.

gate ──▶ endpoint ──▶ worker thread: service.stream() ──▶ completion, or its chunks as they come
"""
