"""A web site as files: the pages below a start address, or those that a sitemap names.

Asked are only pages of that site (one scheme, host and port) and below the folder of the start address, one after
another, as far as robots.txt lets and as slowly as it asks; no form is sent and no script run. A page that says that it
is the copy of another one of these is left to that one. What a page repeats around its text (menus, notices, footers)
is cut away where it does not mark its main part itself.
"""

import hashlib
import mimetypes
import re
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from io import BytesIO
from itertools import islice
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import httpx
from lxml import etree

from assistant.config import IngestSettings
from assistant.errors import IngestError, UsageError
from assistant.models.servers import is_this_machine, seconds_to_wait
from assistant.text.printing import visible
from ingest.changes import is_hidden
from ingest.readers import READ_SUFFIXES
from ingest.readers.clean import decode
from ingest.readers.html import declared_encoding, parse
from ingest.stores import Kept, RemoteFile, Unfetched, is_unsafe, reason_of

_AGENT = "domain-assistant"
_SECONDS = 30.0
_ATTEMPTS = 3
_LONGEST_DELAY_SECONDS = 60.0
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_LONGEST_PAGE = 5 << 20
"""Bytes of a page, unpacked: what is larger takes a parser gigabytes."""
_LONGEST_SECONDS = 120.0
"""Of one reply, however slowly it comes."""
_MOST_NOTICED = 20
"""Addresses that are kept in mind, for each page that may be asked."""
_LONGEST_ROBOTS = 512 << 10
"""Bytes of robots.txt that are read at least (RFC 9309)."""
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_MAPS = frozenset({"application/xml", "text/xml"})
_TYPES = mimetypes.MimeTypes()  # those of Python: what a system adds differs
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)
_CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
_CONDITION = re.compile(rf"(?:^|; )({'|'.join(_CONDITIONS)}) (.+)", re.DOTALL)
# Less is what stands around a text rather than the text.
_FEWEST_WORDS = 20
_MAIN = etree.XPath("boolean(//main | //*[@role='main'])")
_BASE = etree.XPath("string(//base/@href)")
_LINKS = etree.XPath("//a/@href | //area/@href")
_CANONICAL = etree.XPath("string((//link[contains(concat(' ', @rel, ' '), ' canonical ')]/@href)[1])")
_ORDERS = etree.XPath("//meta[@name='robots' or @name='ROBOTS']/@content")
_TO_ANOTHER = re.compile(rf"\s*(?!max-|unavailable_after|{_AGENT})[\w-]+\s*:", re.IGNORECASE)
"""What is asked of one robot by its name, beside a page: ``otherbot: noindex``."""
_WITH_VALUE = re.compile(r"[\w-]+\s*:[^,;]*")
_GZIP = b"\x1f\x8b"
_LONGEST_SITEMAP = 50 << 20
"""Bytes, unpacked (sitemaps.org)."""
_LONGEST_DATE = 40


def web_pages(address: str, kept: Mapping[str, Kept], settings: IngestSettings) -> Iterator[RemoteFile | Unfetched]:
    """The pages and documents of a site, as they are found.

    Raises UsageError where a library is missing, IngestError when the start cannot be had or robots.txt forbids it.
    """
    site = _Site(address, settings)
    with site.client:
        yield from site.files(kept)


@dataclass(frozen=True, slots=True)
class _Reply:
    """What came from an address: the body is empty unless the status is 200."""

    status: int
    headers: httpx.Headers
    body: bytes = b""

    @property
    def kind(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        found = _CHARSET.search(self.headers.get("content-type", ""))
        return found[1] if found else ""

    @property
    def version(self) -> str:
        """What changes with the content, by which it can be asked for anew."""
        told = next((f"{name} {self.headers[name]}" for name in _CONDITIONS if name in self.headers), "")
        return told or f"hash {hashlib.sha256(self.body).hexdigest()}"


class _Site:
    """A site while it is walked through."""

    def __init__(self, address: str, settings: IngestSettings) -> None:
        self.start = _normal(address)
        if not self.start:
            raise UsageError(
                f"{visible(address)} is no address of a web site.", "Write it as in https://docs.example/handbook/"
            )
        self._most_bytes = settings.max_file_mb << 20
        self._most_pages = settings.web_pages
        self._most_noticed = _MOST_NOTICED * settings.web_pages
        parts = urlsplit(self.start)
        self._site = parts[:2]
        self._folder = parts.path[: parts.path.rindex("/") + 1]
        self._delay = 0.0
        self._waiting = deque[str]()
        self._noticed = set[str]()
        self._mapped: dict[str, str] = {}
        """Addresses that a sitemap names, with when it says they changed."""
        self.client = httpx.Client(
            headers={"User-Agent": _AGENT, "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(_SECONDS),
            trust_env=not is_this_machine(self.start),
        )

    def files(self, kept: Mapping[str, Kept]) -> Iterator[RemoteFile | Unfetched]:
        may_ask = self._robots()
        if not may_ask(self.start):
            raise IngestError(f"robots.txt of {visible(self.start)} forbids it.", "Ask whoever runs the site.")
        self._notice([self.start])
        asked = 0
        while self._waiting:
            address = self._waiting.popleft()
            if not may_ask(address):
                continue
            if asked == self._most_pages:
                yield Unfetched(address, f"the site has more than {asked} pages; raise ingest.web_pages", hides="")
                return
            path = path_of(address)
            if path not in kept:  # a document without a suffix has that of its kind
                documents = (f"{path.removesuffix('.html')}{suffix}" for suffix in sorted(READ_SUFFIXES))
                path = next((one for one in documents if one in kept), path)
            known, changed = kept.get(path), self._mapped.get(address, "")
            if known and changed and known.version.startswith(f"{changed}; "):
                yield RemoteFile(path, known.version, None, known.links)
                continue
            if asked and self._delay:
                time.sleep(self._delay)
            asked += 1
            try:
                reply = self._asked(address, known)
                if reply.status == HTTPStatus.OK:
                    yield from self._taken(address, reply, known, f"{changed}; " if changed else "")
                    continue
                reason = f"the site refuses: {reply.status}"
                hides = "" if reply.status == 429 or reply.status >= 500 else None
            except Exception as error:  # each page may break a parser in a way of its own
                reason, hides = reason_of(error), ""
                if address == self.start and isinstance(error, httpx.HTTPError):
                    raise IngestError(f"{visible(address)} does not answer: {reason}.", "Check the address.") from None
                reply = None
            # What a page led to before is there still, as far as anybody knows.
            self._notice(known.links if known else ())
            if reply is not None and reply.status == HTTPStatus.NOT_MODIFIED and known:
                yield RemoteFile(path, known.version, None, known.links)
            elif reply is not None and self._is_sent_on(address, reply):
                continue
            elif address == self.start:
                raise IngestError(f"{visible(address)} cannot be read: {reason}.", "Check the address.")
            elif reply is None or (reply.status not in _GONE and (known or reply.status >= 400)):
                yield Unfetched(path, reason, hides=hides)

    def _taken(self, address: str, reply: _Reply, known: Kept | None, changed: str) -> Iterator[RemoteFile | Unfetched]:
        """What is to be kept of a reply; its links wait to be asked."""
        path, version, links = path_of(address, reply.kind), f"{changed}{reply.version}", tuple[str, ...]()
        content, orders = (
            reply.body,
            _orders(line for line in reply.headers.get_list("x-robots-tag") if not _TO_ANOTHER.match(line)),
        )
        if (address == self.start or self._mapped) and (places := _sitemap(content, self._most_noticed)):
            self._folder = "/"  # it may name pages anywhere on its site
            self._notice(places)
            self._mapped.update((place, changed) for place, changed in places.items() if place in self._noticed)
            return
        if reply.kind in _PAGES:
            text = decode(content, reply.charset or declared_encoding(content))[0]
            source = text.encode("utf-8", "replace")
            page = etree.fromstring(source or b"<p>", etree.HTMLParser(encoding="utf-8", no_network=True))
            if page is None:  # nothing but comments
                return
            base = _normal(_BASE(page), address) or address
            orders |= _orders(map(str, _ORDERS(page)))
            if not self._mapped and orders.isdisjoint({"nofollow", "none"}):
                found = dict.fromkeys(_normal(str(link), base) for link in _LINKS(page))
                links = tuple(link for link in found if self._is_inside(link))
                self._notice(links)
            canonical = _normal(_CANONICAL(page), base) if _CANONICAL(page) else address
            if canonical != address and self._is_inside(canonical):
                self._notice([canonical])
                return
        elif PurePosixPath(path).suffix.lower() not in READ_SUFFIXES:
            return
        if not orders.isdisjoint({"noindex", "none"}):
            return
        if reply.kind in _PAGES:
            content = _main_part(text).encode("utf-8-sig", "replace")
        if is_unsafe(path):
            yield Unfetched(path, "its address is no name for a file here")
            return
        is_known = known is not None and known.version == version
        yield RemoteFile(path, version, None if is_known else partial(Path.write_bytes, data=content), links)

    def _notice(self, addresses: Iterable[str]) -> None:
        """Let addresses wait that are of this site and were not noticed before."""
        for address in addresses:
            is_new = address not in self._noticed and len(self._noticed) < self._most_noticed
            if is_new and self._is_inside(address):
                self._noticed.add(address)
                self._waiting.append(address)

    def _is_inside(self, address: str) -> bool:
        """Whether an address is of this site, below its folder, and may be of a page or document."""
        parts = urlsplit(address)
        suffix = PurePosixPath(parts.path).suffix.lower()
        is_text = suffix in READ_SUFFIXES or _TYPES.guess_type(f"x{suffix}")[0] in {None, *_PAGES, *_MAPS}
        is_shown = not any(is_hidden(part) for part in unquote(parts.path).split("/") if part not in (".", ".."))
        return parts[:2] == self._site and parts.path.startswith(self._folder) and is_text and is_shown

    def _is_sent_on(self, address: str, reply: _Reply) -> bool:
        """Whether a reply leads to another place of the site, which then waits. Raises IngestError where the start
        leads elsewhere."""
        if "location" not in reply.headers or not 300 <= reply.status < 400:
            return False
        target = _normal(reply.headers["location"], address)
        if self._is_inside(target):
            self._notice([target])
            return True
        if address == self.start:
            raise IngestError(
                f"{visible(address)} sends elsewhere, to '{visible(target)}'.", "If you trust that, name it instead."
            )
        return False

    def _robots(self) -> Callable[[str], bool]:
        """What robots.txt lets be asked (RFC 9309: all where there is none, nothing where its server fails)."""
        try:
            import trafilatura  # noqa: F401 - told before anything is asked
            from protego import Protego
        except ImportError as error:
            raise UsageError(f"Web sites need {error.name}.", "pip install 'domain-assistant[sources]'") from None
        address = urlunsplit((*self._site, "/robots.txt", "", ""))
        try:
            reply = self._asked(address, None, _LONGEST_ROBOTS)
            for _ in range(5):  # as RFC 9309 asks
                if "location" in reply.headers and 300 <= reply.status < 400:
                    reply = self._asked(_normal(reply.headers["location"], address), None, _LONGEST_ROBOTS)
        except httpx.HTTPError as error:
            raise IngestError(f"{visible(address)} cannot be had: {reason_of(error)}.", "Try again later.") from None
        if reply.status >= 500 or reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise IngestError(f"{visible(address)} cannot be had: {reply.status}.", "Try again later.")
        text = reply.body if len(reply.body) < _LONGEST_ROBOTS else reply.body[: reply.body.rfind(b"\n") + 1]
        rules = Protego.parse(text.decode("utf-8-sig", "replace"))
        self._delay = min(float(rules.crawl_delay(_AGENT) or 0.0), _LONGEST_DELAY_SECONDS)
        return lambda url: bool(rules.can_fetch(url, _AGENT))

    def _asked(self, address: str, known: Kept | None, enough: int | None = None) -> _Reply:
        """One reply, or ``enough`` bytes of it; again, later each time, from a site that is busy. Raises
        httpx.HTTPError."""
        condition = _CONDITION.search(known.version) if known else None
        headers = {_CONDITIONS[condition[1]]: condition[2]} if condition and condition[2].isascii() else {}
        attempt = 1
        while True:
            with self.client.stream("GET", address, headers=headers) as response:
                if response.status_code not in (429, 503) or attempt == _ATTEMPTS:
                    return _Reply(response.status_code, response.headers, self._body(response, enough))
            time.sleep(seconds_to_wait(response.headers.get("retry-after", ""), attempt))
            attempt += 1

    def _body(self, response: httpx.Response, enough: int | None) -> bytes:
        """What a reply holds, if that is what was asked for. Raises httpx.HTTPError for too much or too slow."""
        body, until = bytearray(), time.monotonic() + _LONGEST_SECONDS
        is_page = "html" in response.headers.get("content-type", "").lower()
        most = min(self._most_bytes, _LONGEST_PAGE) if is_page else self._most_bytes
        for portion in response.iter_bytes() if response.status_code == HTTPStatus.OK else ():
            body += portion
            if enough and len(body) >= enough:
                return bytes(body[:enough])
            if len(body) > most:
                raise httpx.DecodingError(f"it has over {most >> 20} MiB")
            if time.monotonic() > until:
                raise httpx.ReadTimeout(f"it did not end in {_LONGEST_SECONDS:g} s")
        return bytes(body)


def path_of(address: str, kind: str = "text/html") -> str:
    """Where what an address holds lies in a copy; ``kind`` is its media type."""
    parts = urlsplit(address)
    path = unquote(parts.path).lstrip("/")
    if not path or path.endswith("/"):
        path += "index"
    if parts.query:
        path += f"?{unquote(parts.query).replace('/', '%2F')}"
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in READ_SUFFIXES and not parts.query:
        return path
    return path + (".html" if kind in _PAGES else _TYPES.guess_extension(kind) or "")


def _normal(address: str, base: str = "") -> str:
    """An address as it is compared: scheme and host in lower case, a path, no fragment; empty for one that is none.

    It may be relative to a ``base``.
    """
    try:
        parts = urlsplit(urljoin(base, address.strip()))
        url = httpx.URL(urlunsplit((parts.scheme, parts.netloc, parts.path or "/", parts.query, "")))
        url.host.encode("idna")  # where a connection would fail on it
        return str(url) if url.host else ""
    except (httpx.InvalidURL, ValueError):
        return ""


def _orders(told: Iterable[str]) -> set[str]:
    """What robots are asked for, in a page or beside it, without what has a value (``max-image-preview: none``)."""
    plain = (_WITH_VALUE.sub(" ", line.lower().replace(f"{_AGENT}:", " ")) for line in told)
    return {order for line in plain for order in re.split(r"[\s,;]+", line)}


def _sitemap(content: bytes, most: int) -> dict[str, str]:
    """The addresses that a sitemap, or an index of some, names, with when it says they changed, of its first ``most``
    entries; empty for anything else."""
    if content.startswith(_GZIP):
        content = zlib.decompressobj(wbits=31).decompress(content, _LONGEST_SITEMAP)
    found: dict[str, str] = {}
    if b"<urlset" not in content and b"<sitemapindex" not in content:
        return found
    safe = {"resolve_entities": False, "no_network": True, "huge_tree": False, "recover": True}
    entries = etree.iterparse(BytesIO(content.strip()), tag=("{*}url", "{*}sitemap"), **safe)
    for _, place in islice(entries, most):
        if address := _normal(place.findtext("{*}loc") or ""):
            found[address] = (place.findtext("{*}lastmod") or "").strip().replace(";", "")[:_LONGEST_DATE]
        place.clear()
    return found


def _main_part(text: str) -> str:
    """A page with what stands around its text cut away, unless it marks its main part or nothing else is found.

    What is not drawn goes first: the search for the main part does not look at styles.
    """
    from trafilatura import extract

    page = parse(text)[0]
    if _MAIN(page):
        return text
    found = extract(
        str(etree.tostring(page, encoding="unicode", method="html")),
        output_format="html",
        include_comments=False,
        favor_recall=True,
    )
    body = etree.fromstring(found.encode(), etree.HTMLParser(encoding="utf-8")).find("body") if found else None
    if body is None or len("".join(body.itertext()).split()) < _FEWEST_WORDS:
        return text
    body.tag = "main"
    whole, head = etree.Element("html", dict(page.attrib)), etree.Element("head")
    head.extend(page.iterfind(".//title"))
    head.extend(page.iterfind(".//meta"))
    whole.append(head)
    etree.SubElement(whole, "body").append(body)
    return str(etree.tostring(whole, encoding="unicode", method="html"))
