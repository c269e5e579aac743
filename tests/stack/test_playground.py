"""The playground in a real browser, before a real service: a document is dropped, asked about, and its answer seen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import samples
from tests.modelsregistry import stand_in
from tests.modelsregistry.stand_in import StandIn, respond
from tests.stack.service import RunningService, running_service
from tests.stack.watching import Speaker

CHROMIUM = shutil.which("chromium")
if CHROMIUM is None and not os.environ.get("CI"):
    pytest.skip("chromium is not installed", allow_module_level=True)

sync_api = pytest.importorskip("playwright.sync_api", exc_type=ImportError)
pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

BASH = shutil.which("bash") or "bash"
URL = "/admin/processing/task/playground/"
INVOICE = Path(__file__).resolve().parents[2] / "docs" / "samples" / "invoice.pdf"
QUESTION = "What is the total amount due?"
WHO, PASSWORD = "operator", "a long enough password"
PATIENCE = 30_000.0  # milliseconds
MB = 1_048_576

# Drops a file as a person does: the browser tells a page nothing else of it.
DROP = """([bytes, name, place]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    const options = {dataTransfer: data, bubbles: true, cancelable: true};
    for (const event of ["dragenter", "dragover", "drop"])
        document.querySelector(place).dispatchEvent(new DragEvent(event, options));
}"""
# The pixels that lie in the shown mark, and whether most of them are of another colour than the page.
MARKED = """() => {
    const image = document.querySelector("#play-image"), mark = document.querySelector("#play-marks rect");
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight), context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const side = (name, whole) => Number(mark.getAttribute(name)) * whole;
    const [x, width] = [side("x", canvas.width), side("width", canvas.width)];
    const [y, height] = [side("y", canvas.height), side("height", canvas.height)];
    const part = context.getImageData(x, y, width, height).data;
    let coloured = 0;
    for (let at = 0; at < part.length; at += 4) coloured += Math.abs(part[at] - part[at + 2]) > 30;
    return coloured / (part.length / 4);
}"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[StandIn]:
    with stand_in.running("reader") as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, upstream: StandIn) -> Iterator[RunningService]:
    variables = {
        **upstream.variables,
        "API_V2_ADMIN_MODEL": "local",
        "API_V2_MAX_FILE_SIZE": 2 * MB,
    }
    with running_service(tmp_path_factory.mktemp("playground"), **variables) as running:
        make = f"from django.contrib.auth.models import User; User.objects.create_superuser({WHO!r}, '', {PASSWORD!r})"
        running.manage("shell", "--no-imports", "-c", make)
        yield running


@pytest.fixture(scope="module")
def browser(service: RunningService) -> Iterator[Any]:
    """Signed in."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            context = browser.new_context(base_url=service.url, permissions=["clipboard-read", "clipboard-write"])
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(URL)
            page.get_by_label("Username").fill(WHO)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("heading", name="Ask about a document").wait_for()
            page.close()
            yield context
        finally:
            browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append("dialog"), dialog.dismiss()))
    page.goto(URL)
    yield page
    page.close()
    assert faults == []


@pytest.fixture
def speaker(upstream: StandIn) -> Iterator[Speaker]:
    speaker = Speaker("The total ", "is ", "<b>3,760.08</b> EUR.")
    upstream.script(speaker)
    yield speaker
    speaker.say(10)


def expect(place: Any) -> Any:
    sync_api.expect.set_options(timeout=PATIENCE)
    return sync_api.expect(place)


def ask(page: Any, *, file: Any = INVOICE, prompt: str = QUESTION, model: str = "local") -> None:
    page.get_by_label("Document", exact=True).set_input_files(file)
    page.get_by_label("Model", exact=True).select_option(model)
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Ask", exact=True).click()


def answer(page: Any) -> Any:
    return page.get_by_role("region", name="Answer").and_(page.locator(".shown-text"))


def complaint(page: Any) -> Any:
    return page.get_by_role("alert").and_(page.locator(":not(:empty)"))


def test_it_works(page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(DROP, [list(INVOICE.read_bytes()), "invoice.pdf", "#play-drop"])
    page.get_by_label("Prompt").fill(QUESTION)
    page.get_by_role("button", name="Ask", exact=True).click()

    expect(answer(page)).to_have_text("EUR 3,760.08 (page 2)")
    passage = page.get_by_role("button", name="Page 2 The total amount due is EUR 3,760.08.")
    expect(page.get_by_role("status").get_by_text("Page 2: the passage is marked.")).to_be_visible()
    expect(passage).to_have_attribute("aria-current", "true")

    page.get_by_role("button", name="Previous page").click()
    expect(page.get_by_role("img", name="Page 1 of invoice.pdf.")).to_be_visible()
    expect(page.get_by_text("1 of 2")).to_be_visible()
    passage.click()
    picture = page.get_by_role("img", name="Page 2 of invoice.pdf. Marked on it: The total amount due is EUR 3,760.08.")
    expect(picture).to_be_visible()
    assert page.evaluate(MARKED) > 0.5
    assert {urlsplit(url).netloc for url in asked if not url.startswith("blob:")} == {urlsplit(page.url).netloc}


def test_the_answer_appears_while_the_model_speaks_and_is_text(page: Any, speaker: Speaker) -> None:
    ask(page, model="reader")
    speaker.say()
    expect(answer(page)).to_have_text("The total")
    assert answer(page).get_attribute("aria-busy") == "true"
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("asking reader")).to_be_visible()
    expect(page.get_by_role("img", name="Page 1 of invoice.pdf.")).to_be_visible()
    speaker.say(3)
    expect(answer(page)).to_have_text("The total is <b>3,760.08</b> EUR.")
    expect(page.get_by_role("status").filter(has_text="The answer is complete")).to_be_attached()
    expect(page.get_by_role("button", name="Page 2").first).to_be_visible()


def test_running_work_is_cancelled(page: Any, speaker: Speaker) -> None:
    ask(page, model="reader")
    speaker.say()
    expect(answer(page)).to_have_text("The total")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").filter(has_text="The task was cancelled.")).to_be_attached()
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_focused()


def test_the_keyboard_does_it_all(page: Any) -> None:
    keyboard = page.keyboard

    def tab_to(name: str, role: str = "button") -> Any:
        place = page.get_by_role(role, name=name)
        for _ in range(60):
            keyboard.press("Tab")
            if place.count() and place.first.evaluate("part => part === document.activeElement"):
                style = place.first.evaluate(
                    "part => getComputedStyle(part).outlineStyle + getComputedStyle(part).outlineWidth"
                )
                assert style == "solid2px", name
                return place.first
        raise AssertionError(f"{name} is not reached")

    tab_to("Document")
    with page.expect_file_chooser() as chosen:
        keyboard.press("Enter")
    chosen.value.set_files(INVOICE)
    tab_to("Model", "combobox")
    tab_to("Prompt", "textbox")
    keyboard.type(QUESTION)
    tab_to("Ask")
    keyboard.press("Enter")
    expect(answer(page)).to_have_text("EUR 3,760.08 (page 2)")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_focused()
    tab_to("Page 2")
    keyboard.press("Enter")
    expect(page.get_by_text("Page 2: the passage is marked.")).to_be_visible()
    tab_to("Previous page")
    keyboard.press("Enter")
    expect(page.get_by_text("1 of 2")).to_be_visible()
    expect(page.get_by_role("button", name="Next page")).to_be_focused()  # from the one that is off now
    tab_to("Copy as curl")
    keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_attached()
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -N ")


class TestMore:
    """Pages, a password and a schema, which most questions do without."""

    def test_it_works(self, page: Any, upstream: StandIn) -> None:
        upstream.script(stand_in.answer('{"total": 108}'))
        locked = samples.pdf("A cover page.", samples.INVOICE, password="opensesame")
        page.get_by_text("More", exact=True).click()
        page.get_by_label("Only these pages").fill("2-")
        page.get_by_label("The document's password").fill("opensesame")
        page.get_by_label("JSON Schema of the answer").fill('{"type": "object", "required": ["total"]}')
        for text in (page.locator("#play-curl").text_content(), page.locator("#play-python").text_content()):
            assert "opensesame" not in text
            assert all(each in text for each in ("2-", "file_password", "PASSWORD", "required"))
        ask(page, model="reader", file={"name": "a.pdf", "mimeType": "application/pdf", "buffer": locked})
        expect(answer(page)).to_have_text('{\n  "total": 108\n}')
        asked = upstream.received[-1].raw.decode()
        assert "108.00 EUR" in asked
        assert "A cover page." not in asked
        assert '"required"' in asked

    def test_what_is_wrong_there_is_shown(self, page: Any) -> None:
        page.locator("#play-range").evaluate("field => field.value = '3-1'")
        ask(page)
        expect(complaint(page)).to_contain_text("pages")
        expect(page.get_by_label("Only these pages")).to_be_focused()


class TestWhatGoesWrong:
    def test_is_told_in_the_apis_own_words(self, page: Any) -> None:
        ask(page, prompt="Why?")
        expect(complaint(page)).to_have_text("prompt: Ensure this field has at least 5 characters.")
        expect(page.get_by_label("Prompt")).to_be_focused()
        assert page.get_by_label("Prompt").get_attribute("aria-invalid") == "true"

    def test_no_document(self, page: Any) -> None:
        page.get_by_label("Prompt").fill(QUESTION)
        page.get_by_label("Prompt").press("Control+Enter")
        expect(complaint(page)).to_have_text("file: Send a file, or the file_id of one.")
        expect(page.get_by_label("Document", exact=True)).to_be_focused()

    def test_two_documents(self, page: Any) -> None:
        page.get_by_label("Document", exact=True).evaluate("""file => {
            const data = new DataTransfer();
            for (const name of ["a.txt", "b.txt"]) data.items.add(new File(["x"], name));
            file.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
        }""")
        expect(complaint(page)).to_have_text("Drop one file.")

    def test_a_document_that_is_too_large(self, page: Any, tmp_path: Path) -> None:
        """Refused while it is still being sent: the browser sees the answer all the same."""
        large = tmp_path / "a.txt"
        large.write_bytes(b"word" * (8 * MB))
        ask(page, file=large)
        expect(complaint(page)).to_have_text("File too large. Maximum size: 2.0MB")

    def test_a_document_of_no_kind_that_is_taken(self, page: Any) -> None:
        ask(page, file={"name": "a.exe", "mimeType": "text/plain", "buffer": b"MZ"})
        expect(complaint(page)).to_contain_text(".exe")

    def test_a_task_that_fails(self, page: Any, upstream: StandIn) -> None:
        upstream.script(respond(401, {"error": {"message": "Incorrect API key provided"}}))
        ask(page, model="reader")
        expect(complaint(page)).to_contain_text("did not accept our credential")
        expect(page.get_by_role("status").filter(has_text="The task has failed.")).to_be_attached()

    def test_a_page_that_cannot_be_shown(self, page: Any) -> None:
        ask(page, file={"name": "a.txt", "mimeType": "text/plain", "buffer": b"The total amount due is 42 EUR."})
        expect(answer(page)).to_contain_text("42")
        expect(page.get_by_role("status").filter(has_text="Pages of this document have no picture.")).to_be_visible()

    def test_a_refusal_by_the_rates(self, page: Any) -> None:
        told = {"detail": "Too many requests: 50 per minute are allowed.", "status": 429, "retry_after": 9}
        page.route("**/api/v2/process", lambda route: route.fulfill(status=429, json=told))
        ask(page)
        expect(complaint(page)).to_have_text(told["detail"])

    def test_an_answer_that_is_none_of_ours(self, page: Any) -> None:
        page.route("**/api/v2/process", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
        ask(page)
        expect(complaint(page)).to_have_text("The server answered with status 502.")

    def test_a_connection_that_is_lost_while_the_model_speaks(self, page: Any, speaker: Speaker) -> None:
        page.route("**/events", lambda route: route.abort("connectionreset"))
        ask(page, model="reader")
        expect(page.locator("#play-step")).to_have_text("The connection to the service is lost. Trying again.")
        page.unroute("**/events")
        speaker.say(4)
        expect(answer(page)).to_have_text("The total is <b>3,760.08</b> EUR.")

    def test_a_stream_for_which_there_is_no_place(self, page: Any) -> None:
        told = {"detail": "Too many requests are under way. Come back soon.", "status": 503}
        page.route("**/events", lambda route: route.fulfill(status=503, json=told))
        ask(page)
        expect(answer(page)).to_have_text("EUR 3,760.08 (page 2)")

    def test_a_sign_out_meanwhile(self, page: Any, browser: Any) -> None:
        kept = browser.cookies()
        try:
            page.get_by_label("Prompt").fill(QUESTION)
            browser.clear_cookies()
            ask(page)
            expect(complaint(page)).to_have_text("Authentication credentials were not provided.")
        finally:
            browser.add_cookies(kept)


HOSTILE = [
    "What is the total amount due? '\"$(touch owned)`touch owned`\\ ! {x} %s #;&|<>*",
    "@invoice.pdf;type=text/html",
    "<invoice.pdf",
    'total\namount due\'\n\ttouch owned\n """ + open("invoice.pdf") + """ \\',
    "total amount \x1b[201~\ntouch owned\n due \u202e \x7f \\x41 !! 'a' Ça coûte combien, 合計は？ 🙂",
]


class TestTheSameCall:
    """What is copied is run: `curl` and `httpx` are real, and what arrives is what was typed."""

    def texts(self, page: Any, name: str, prompt: str) -> dict[str, str]:
        page.get_by_label("Document", exact=True).set_input_files(
            {"name": name, "mimeType": "application/pdf", "buffer": INVOICE.read_bytes()}
        )
        page.get_by_label("Model", exact=True).select_option("local")
        page.get_by_label("Prompt").evaluate(
            "(field, text) => { field.value = text; field.dispatchEvent(new Event('input', {bubbles: true})); }", prompt
        )
        return {language: page.locator(f"#play-{language}").text_content() for language in ("curl", "python")}

    def test_it_works(self, page: Any, service: RunningService, tmp_path: Path) -> None:
        name = 'the invoice; of "Ada\'s", 50 % $HOME.pdf'
        shutil.copy(INVOICE, tmp_path / name)
        texts = [self.texts(page, name, prompt) for prompt in HOSTILE]
        environment = {**service.environment, "KEY": service.key}
        for *command, language in ((BASH, "-ec", "curl"), (sys.executable, "-c", "python")):
            script = "\n".join(each[language] for each in texts)
            done = subprocess.run(
                [*command, script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.count("ignored_fields") == len(HOSTILE), done.stdout
        rows = f"Task.objects.order_by('-seq').values_list('prompt', flat=True)[:{2 * len(HOSTILE)}]"
        show = f"import json; from processing.tasks.models import Task; print(json.dumps(list({rows})))"
        arrived = json.loads(service.manage("shell", "--no-imports", "-c", show))
        assert arrived[::-1] == 2 * [prompt.strip() for prompt in HOSTILE]
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_nothing_in_it_acts_on_a_terminal(self, page: Any) -> None:
        for text in self.texts(page, "a\x1b[2J.pdf", "\x1b]0;owned\x07 \u202e \x9b2J").values():
            assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text) is None
