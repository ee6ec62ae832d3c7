"""Pages made to hurt: they say so, are not tried again, and nobody else waits for them."""

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from drawn import FakeDrawers, document_of
from fakes import FakeEmbedder
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from assistant.config import Settings
from assistant.errors import ReadError
from assistant.workspace import Workspace
from bench.hurting import TEXT, kinds, pdf
from ingest.pipeline import ingest
from ui.sources.drawing import Drawer, DrawerLost, DrawingLimits, SourceDocument
from ui.sources.library import CitedSpan, Library
from ui.sources.pdfpages import HurtfulPage, PdfPages
from ui.sources.view import add_source_routes, panel_html

HURTS_AT_ONCE = "patterns with a step of .0001"
LIMITS = DrawingLimits(10.0, 1 << 30)


@pytest.fixture
def drawers() -> FakeDrawers:
    return FakeDrawers()


@pytest.fixture
def pages(drawers: FakeDrawers) -> Iterator[PdfPages]:
    with closing(PdfPages(LIMITS, drawers.start)) as pages:
        yield pages


@pytest.fixture
def terms(tmp_path: Path) -> SourceDocument:
    return document_of(tmp_path, pdf(40, ""))


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def outcomes(asked: Sequence[Awaitable[bytes]]) -> list[bytes | BaseException]:
    return await asyncio.gather(*asked, return_exceptions=True)


# Turns


def test_many_clicks_on_a_page_share_one_drawing(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    async def main() -> None:
        clicks = [asyncio.create_task(pages.picture(terms, 1, name)) for name in ["anna", "ben"] * 25]
        await reached(lambda: bool(drawers.drawn))
        drawers.may_draw.set()
        assert len(set(await asyncio.gather(*clicks))) == 1
        await pages.picture(terms, 1, "cleo")

    asyncio.run(main())
    assert drawers.drawn == [1]


def test_one_person_does_not_take_all_places(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    async def main() -> None:
        many = [asyncio.create_task(pages.picture(terms, page, "anna")) for page in range(1, 11)]
        await reached(lambda: drawers.drawn == [1])
        other = asyncio.create_task(pages.picture(terms, 20, "ben"))
        await reached(lambda: drawers.drawn == [1, 20])
        drawers.may_draw.set()
        await asyncio.gather(other, *many)

    asyncio.run(main())


def test_places_go_round(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    async def main() -> None:
        asked = [
            asyncio.create_task(pages.picture(terms, number * 10 + page, name))
            for number, name in enumerate(["anna", "ben", "cleo"])
            for page in range(1, 4)
        ]
        await reached(lambda: len(drawers.drawn) == 2)
        drawers.may_draw.set()
        await asyncio.gather(*asked)

    asyncio.run(main())
    assert {page // 10 for page in drawers.drawn[:3]} == {0, 1, 2}, "who came last waits for one page of each other"


def test_who_waits_for_very_many_pages_is_told_so(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    async def main() -> list[bytes | BaseException]:
        asked = [asyncio.create_task(pages.picture(terms, page, "anna")) for page in range(1, 31)]
        await reached(lambda: sum(one.done() for one in asked) == 14)
        drawers.may_draw.set()
        return await outcomes(asked)

    told = [str(one) for one in asyncio.run(main()) if isinstance(one, ReadError)]
    assert len(told) == 14 and "Try again" in told[0]


def test_who_goes_away_ends_nothing_for_others(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    async def main() -> bytes:
        first = asyncio.create_task(pages.picture(terms, 1, "anna"))
        second = asyncio.create_task(pages.picture(terms, 1, "anna"))
        await reached(lambda: bool(drawers.drawn))
        first.cancel()
        await asyncio.wait([first])
        drawers.may_draw.set()
        return await second

    assert asyncio.run(main()) and drawers.drawn == [1]


def test_fifty_clicks_hold_no_thread_that_others_need(pages: PdfPages, drawers: FakeDrawers, served: Workspace) -> None:
    app = FastAPI()
    add_source_routes(app, lambda _: Library(served), pages)

    async def main() -> set[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            clicks = [asyncio.create_task(client.get("/sources/cars/1/pages/1")) for _ in range(50)]
            await reached(lambda: bool(drawers.drawn))
            async with asyncio.timeout(60):
                await run_in_threadpool(int)
            assert not any(one.done() for one in clicks)
            drawers.may_draw.set()
            return {one.status_code for one in await asyncio.gather(*clicks)}

    assert asyncio.run(main()) == {200}


def test_fifty_clicks_of_a_person_are_looked_up_one_at_a_time(
    pages: PdfPages, drawers: FakeDrawers, served: Workspace
) -> None:
    app, inside, most = FastAPI(), list[int](), 0

    class Counted(Library):
        def document(self, corpus: str, id_: int, user: str) -> SourceDocument:
            nonlocal most
            inside.append(id_)
            most = max(most, len(inside))
            time.sleep(0.002)  # the others would come in
            inside.pop()
            return super().document(corpus, id_, user)

    add_source_routes(app, lambda _: Counted(served), pages)
    drawers.may_draw.set()

    async def main() -> set[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            clicks = [client.get("/sources/cars/1/pages/1") for _ in range(50)]
            return {one.status_code for one in await asyncio.gather(*clicks)}

    assert asyncio.run(main()) == {200} and most == 1


def test_who_has_gone_away_is_not_waited_for(pages: PdfPages, drawers: FakeDrawers, served: Workspace) -> None:
    app, sent = FastAPI(), list[Message]()
    add_source_routes(app, lambda _: Library(served), pages)
    path = "/sources/cars/1/pages/1"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}

    async def main() -> None:
        async def receive() -> Message:
            await reached(lambda: bool(drawers.drawn))
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)
        drawers.may_draw.set()
        await reached(lambda: bool(pages._drawn))

    asyncio.run(main())
    assert sent[0]["status"] == 499 and drawers.drawn == [1], "what was begun is there for the next one"


def test_who_waits_while_the_app_is_closed_is_told(
    pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument
) -> None:
    async def main() -> list[bytes | BaseException]:
        asked = [asyncio.create_task(pages.picture(terms, page, "anna")) for page in (1, 2)]
        await reached(lambda: bool(drawers.drawn))
        drawers.may_draw.set()
        await asyncio.to_thread(pages.close)
        return await outcomes(asked)

    first, second = asyncio.run(main())
    assert isinstance(first, bytes) and isinstance(second, ReadError) and "closed" in str(second)


# What hurts


def test_a_page_that_hurt_is_not_tried_again(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    drawers.may_draw.set()
    drawers.hurtful = {1}

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(HurtfulPage, match=r"Page 1 of .* not drawn.*ui\.page_seconds"):
                await pages.picture(terms, 1, "anna")
        with pytest.raises(HurtfulPage):
            await pages.sheet(terms, 1, "hail", 0, "ben")
        assert await pages.picture(terms, 2, "anna")
        with pytest.raises(HurtfulPage):
            await pages.picture(replace(terms, hash="of another version"), 1, "anna")

    asyncio.run(main())
    assert drawers.drawn == [1, 2, 1] and drawers.started == 3, "who was lost has a successor"


def test_a_page_that_hurt_when_nobody_waited_any_more_leaves_no_complaint(
    pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument, caplog: pytest.LogCaptureFixture
) -> None:
    drawers.hurtful = {1}

    async def main() -> None:
        asked = asyncio.create_task(pages.picture(terms, 1, "anna"))
        await reached(lambda: bool(drawers.drawn))
        asked.cancel()
        await asyncio.wait([asked])
        drawers.may_draw.set()
        await reached(lambda: not pages._under_way)

    asyncio.run(main())
    gc.collect()  # asyncio speaks of a failure that nobody heard when the task goes
    assert not [record for record in caplog.records if record.name == "asyncio"]


def test_a_hurtful_page_is_shown_as_its_text(pages: PdfPages, drawers: FakeDrawers, tmp_path: Path) -> None:
    drawers.may_draw.set()
    drawers.hurtful = {1}
    docs, workspace = tmp_path / "docs", Workspace(tmp_path / "workspace")
    docs.mkdir()
    (docs / "terms.pdf").write_bytes(pdf(1, ""))
    ingest(workspace, "cars", [docs], Settings.model_validate({"ingest": {"workers": 1}}), embedder=FakeEmbedder())
    span = CitedSpan("cars", "terms.pdf", 0, 0, TEXT)
    html = asyncio.run(panel_html(Library(workspace), pages, span, "en", "anna"))
    assert "takes too long or too much memory" in html and f">{TEXT}</mark>" in html and "<img" not in html


def test_a_document_of_hurtful_pages_is_given_up(pages: PdfPages, drawers: FakeDrawers, terms: SourceDocument) -> None:
    drawers.may_draw.set()
    drawers.hurtful = set(range(2, 40))

    async def main() -> list[bytes | BaseException]:
        assert await pages.picture(terms, 1, "anna")
        some = await outcomes([pages.picture(terms, page, "anna") for page in range(2, 18)])
        assert await pages.picture(terms, 1, "anna"), "what was drawn is shown"
        return some

    assert all(isinstance(one, HurtfulPage) for one in asyncio.run(main()))
    assert drawers.drawn == [1, 2, 3, 4]


def test_what_fails_fast_may_be_tried_again(tmp_path: Path) -> None:
    gone = document_of(tmp_path, pdf(1, ""))
    with closing(PdfPages(LIMITS)) as real:
        gone.location.rename(tmp_path / "elsewhere.pdf")
        with pytest.raises(ReadError, match="cannot be read"):
            asyncio.run(real.picture(gone, 1, "anna"))
        (tmp_path / "elsewhere.pdf").rename(gone.location)
        assert asyncio.run(real.picture(gone, 1, "anna"))


@pytest.mark.slow
def test_pages_made_to_hurt_end_and_others_are_drawn(tmp_path: Path) -> None:
    """17 kinds and more; none says more than that it is not drawn."""
    limits, hurt = DrawingLimits(0.2, 1 << 29), 0
    drawer = Drawer(limits)
    for kind, make in kinds().items():
        document = document_of(tmp_path, make())
        for look in (partial(Drawer.sheet, words="hail"), Drawer.picture):
            try:
                assert look(drawer, document=document, page=1), kind
            except DrawerLost:
                hurt += 1
                drawer = Drawer(limits)
            except ReadError as error:
                assert "no shape" in str(error), kind
    assert drawer.picture(document_of(tmp_path, pdf(1, "")), 1)
    drawer.end()
    assert hurt >= 12


# Processes


def test_a_process_that_draws_imports_nothing_heavy() -> None:
    code = (
        "import sys, ui.sources.drawing\n"
        "heavy = {'torch', 'gradio', 'transformers', 'faiss', 'numpy', 'sqlite3', 'fastapi', 'pydantic'}\n"
        "loaded = sorted(heavy & set(sys.modules)); assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_processes_end_with_the_pages_and_survive_being_killed(tmp_path: Path) -> None:
    document = document_of(tmp_path, pdf(2, ""))
    before = set(psutil.Process().children())

    def own() -> set[psutil.Process]:
        return {one for one in set(psutil.Process().children()) - before if "spawn_main" in " ".join(one.cmdline())}

    with closing(PdfPages(LIMITS)) as pages:
        assert asyncio.run(pages.picture(document, 1, "anna"))
        (process,) = own()
        process.kill()
        asyncio.run(reached(lambda: not pages._idle[0].is_fit))
        assert asyncio.run(pages.picture(document, 2, "anna")), "that was not the fault of the page"
        assert len(own()) == 1
    assert not own()


def test_a_hurtful_page_that_is_being_drawn_ends_with_the_pages(tmp_path: Path) -> None:
    hurtful = document_of(tmp_path, kinds()[HURTS_AT_ONCE]())

    async def main() -> None:
        pages = PdfPages(DrawingLimits(600.0, 1 << 30))
        asked = asyncio.create_task(pages.picture(hurtful, 1, "anna"))
        await reached(lambda: bool(pages._busy))
        await asyncio.to_thread(pages.close)
        with pytest.raises(ReadError):
            await asked
        assert not any(one.is_fit for one in pages._idle)

    asyncio.run(main())
