"""Signing in at a provider as a browser does it: nothing of our policy for pages stands in the way there or back."""

from pathlib import Path

import pytest
from browser import serving
from openid_provider import House, providing
from playwright.sync_api import Browser, expect
from signing import PASSWORD

from ui.oidc import CALLBACK

pytestmark = pytest.mark.slow


def test_a_browser_goes_to_the_provider_and_comes_back_and_signs_out_at_both(tmp_path: Path, chromium: Browser) -> None:
    with providing() as provider:
        house = House(tmp_path, provider.issuer)
        with serving(house.app) as address, chromium.new_page(locale="en-GB") as page:
            house.provider.public_url = address
            house.provider._client.redirect_uri = address + CALLBACK
            errors: list[str] = []
            page.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
            page.goto(f"{address}/sign-in?next=/en")
            page.get_by_role("link", name="Sign in with Haus").click()
            expect(page.locator("body")).to_contain_text('["oidc:ana","expert","oidc:claims"]')
            assert page.url == f"{address}/en"
            page.evaluate("""() => { const form = document.createElement("form"); form.method = "post";
                form.action = "/sign-out"; document.body.append(form); form.submit(); }""")
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            assert provider.signed_out == 1 and page.url == f"{address}/sign-in"
            page.get_by_label("Name").fill("ben")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("body")).to_contain_text('["ben","admin"]')
            assert not errors
