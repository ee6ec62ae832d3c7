"""A corpus is searched, and brought up to date, with the embedder that it was made with.

``embedder.model`` is that of new corpora, and of those that are rebuilt. So the old index answers until the new one
stands, whoever has it open follows, and corpora of one workspace may have embedders of their own.
"""

import functools

from assistant.config import EmbedderSettings
from assistant.errors import IdentityError, ModelError
from assistant.models import BUNDLED
from assistant.models.catalogue import catalogue
from assistant.retrieval.embedder import Embedder
from assistant.store.catalog import Catalog

# Of the chunks of a corpus.
_MANY = 0.5
_opened = functools.cache(Embedder)
"""One for all that search, as its weights take memory."""


def embedder_of(catalog: Catalog, configured: Embedder) -> Embedder:
    """The embedder that a corpus was made with: the configured one, or another by its name, with its own prompts.

    Raises IdentityError when it is not on this machine, or is not what it was.
    """
    identity = catalog.identity()
    if identity is None or identity.fingerprint == configured.fingerprint:
        return configured
    settings = EmbedderSettings(model=identity.embedder, batch_tokens=configured.settings.batch_tokens)
    try:
        own = _opened(settings, configured.device)
        reason = f"that name stands for another one now ({own.fingerprint})"
        if own.fingerprint == identity.fingerprint:
            return own
    except ModelError as error:
        reason = error.message.rstrip(".")
    raise IdentityError(
        f"The corpus was embedded with {identity.embedder} ({identity.fingerprint}): {reason}."
        f" Configured is {configured.settings.model} ({configured.fingerprint}).",
        f"Bring that embedder back, or make the corpus anew: assistant ingest --rebuild --corpus {catalog.folder.name}",
    )


def better_embedder(catalog: Catalog, embedder: Embedder) -> tuple[str, str]:
    """What to say, and what to do, when most of a corpus is in languages that its embedder was not made for.

    Two empty texts when there is nothing to say, as of an embedder whose languages nobody has named.
    """
    chunks, settings = catalog.languages(), embedder.settings
    unknown = [language for language in chunks if not embedder.understands(language)]
    is_known = settings.model in {BUNDLED, *catalogue()} or "auto" not in settings.languages
    if not is_known or 2 * sum(chunks[language] for language in unknown) <= sum(chunks.values()):
        return "", ""
    able = {
        name: model
        for name, model in catalogue().items()
        if model.kind == "embedder" and (not model.languages or set(model.languages) >= chunks.keys())
    }
    smallest = min(able, key=lambda name: able[name].parameters)
    return (
        f"most is in {', '.join(unknown)}, which {settings.model} was not made for. {able[smallest].note}".rstrip(". "),
        f"Run: assistant ingest --rebuild --corpus {catalog.folder.name} --set embedder.model={smallest}",
    )
