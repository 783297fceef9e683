"""Signing in and out as people do, at a real provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml
from axe_playwright_python.sync_playwright import Axe
from oidc_provider_mock._storage import User
from playwright.sync_api import Browser

from tests.browser.pages import visit
from tests.conftest import one_study
from tests.http.auth.provider import AUDIENCE, running_provider


def test_sign_in_and_out(browser: Browser, serve: Callable[..., str], tmp_path: Path) -> None:
    with running_provider() as provider:
        person = "Anna-Karin Ek of the Institute for Very Long Names"
        provider.storage.store_user(User(sub="anna", claims={"name": person}))
        entry = {"issuer": provider.issuer, "audience": AUDIENCE, "client_id": "rnaget", "client_secret": "x"}
        (tmp_path / "auth.yaml").write_text(yaml.safe_dump({"oidc": [entry]}))
        root = serve(one_study(tmp_path / "demo"), RNAGET_AUTH=str(tmp_path / "auth.yaml"))
        for width, theme in ((1400, "light"), (390, "dark")):
            with visit(browser, root, width, theme) as seen:  # type: ignore[arg-type]
                page = seen.page
                page.goto("/search?q=kidney")
                page.get_by_role("link", name="Sign in").click()
                page.locator("input[name=sub]").fill("anna")
                page.locator("button:has-text('Authorize')").click()
                page.wait_for_url(f"{root}/search?q=kidney")
                # What the pages of the provider do is not ours.
                seen.errors.clear()
                seen.foreign.clear()
                page.reload(wait_until="networkidle")
                assert page.locator(".person span").inner_text() == person
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                # Nothing is pushed off the page by a long name.
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert page.evaluate("document.cookie") == ""
                seen.check()
                page.get_by_role("button", name="Sign out").click()
                page.get_by_role("link", name="Sign in").wait_for()
                assert not page.locator(".person").count()
