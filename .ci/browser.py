"""The explorer in a real browser, started as a user starts it.

    python .ci/browser.py test [--shots FOLDER]              walk through it by mouse and by keyboard; exits 1 if a check fails
    python .ci/browser.py frames [--cells N] [--genes N]     how fast it opens, and frames in a drag of ten seconds
    python .ci/browser.py start [--times N]                  seconds from the command to the first picture
    python .ci/browser.py memory [--visitors N]              memory of the kernels of several visitors at once

Needs Chromium: $CHROMIUM, or one that is installed. Waits for what the page says, where it can, and not for a time to pass.
axe-core comes from npm, once, into $VCELL_CACHE or a temporary folder; without npm that check is skipped, and says so.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

LONG = 60_000
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROOT = ".vx"
AXE = "axe-core@4.10.3"


@contextmanager
def app(*words: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`vcell explore` with these words; its address and its process."""
    log = tempfile.TemporaryFile("w+")
    command = [sys.executable, "-m", "vcell.cli", "explore", *map(str, words), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            if not line.startswith("vcell explorer: "):
                log.seek(0)
                raise RuntimeError(f"The app did not start: {log.read()[-2000:]}")
            yield line.split()[-1], server
        finally:
            server.terminate()
            server.wait(30)


@contextmanager
def served(bundle: Path, **how: Any) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The app of a bundle."""
    settings = ", ".join(f"{name}={value!r}" for name, value in ({"browser": False} | how).items())
    code = f"import vcell.app as a; a.serve({str(bundle)!r}, a.Serving({settings}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1], server
        finally:
            server.send_signal(signal.SIGCONT)
            server.terminate()
            server.wait(30)


def kernels(server: subprocess.Popen[str]) -> list[Any]:
    """The processes of the kernels: copies of the one that is ready."""
    import psutil

    found = []
    for child in psutil.Process(server.pid).children(recursive=True):
        try:
            if os.getsid(child.pid) == child.pid and child.pid != server.pid:
                found.append(child)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def until(holds: Callable[[], bool], seconds: float = 30, says: str = "it did not come to be") -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, says
        time.sleep(0.2)


@contextmanager
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    quiet = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=quiet)
        yield started
        started.close()


class Visit:
    """A page of the app, with what went wrong on it."""

    def __init__(
        self, browser: Browser, address: str, *, size: tuple[int, int] = (1440, 900), scale: float = 1, dark: bool = False,
        patience: int = LONG,
    ) -> None:  # fmt: skip
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.quiet = False
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" and not self.quiet else None)
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.route("**/*", self._guard)
        self.page.goto(address, timeout=patience)
        self.ready(patience)

    def ready(self, patience: int = LONG) -> None:
        self.page.wait_for_selector(f"{ROOT}[data-state=ready]", timeout=patience)

    def _guard(self, route: Any) -> None:
        if route.request.url.split("/")[2].split(":")[0] == "127.0.0.1" or route.request.url.startswith(("blob:", "data:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def data(self, name: str) -> str:
        return self.page.locator(ROOT).get_attribute(f"data-{name}") or ""

    def after(self, does: Callable[[], Any], state: str = "ready") -> str:
        """Does something, waits until the page answers in this state, and returns what is held and what is said."""
        count = int(self.data("answers"))
        does()
        self.page.wait_for_function(
            """([state, count]) => { const root = document.querySelector(".vx");
                return root && root.dataset.state === state && Number(root.dataset.answers) > count; }""",
            arg=[state, count], timeout=LONG,
        )  # fmt: skip
        return self.words()

    def words(self) -> str:
        page = self.page
        said = page.locator(".vx-toast").all_inner_texts()
        return " ".join([page.locator(".vx-who").inner_text(), page.locator(".vx-question").text_content() or "", *said])

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def saved(self, label: str) -> bytes:
        """The file that a button saves."""
        with self.page.expect_download(timeout=LONG) as waiting:
            self.press(label)
        return Path(waiting.value.path()).read_bytes()

    def tab_to(self, label: str, most: int = 120) -> None:
        """Presses Tab until what has this label, or says this, has the focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if any(text.startswith(label) for text in self.page.evaluate(FOCUSED)):
                return
        raise AssertionError(f"{label!r} is not reached with the Tab key")

    def shot(self, folder: Path | None, name: str) -> None:
        if folder is not None:
            self.page.wait_for_timeout(400)  # what fades has faded
            self.page.screenshot(path=folder / f"{name}.png")

    def close(self) -> None:
        assert not self.outside, f"requests to the outside: {self.outside}"
        assert not self.errors, f"errors on the page: {self.errors}"
        self.context.close()


FOCUSED = """() => { const at = document.activeElement;
    return at ? [at.getAttribute("aria-label"), at.innerText].filter(Boolean).map(text => text.trim()) : []; }"""


def hold(visit: Visit, gene: str, state: str = "ready") -> str:
    visit.page.get_by_label("Hold a gene", exact=True).fill(gene)
    return visit.after(lambda: visit.page.keyboard.press("Enter"), state)


def axe() -> str | None:
    """The source of axe-core: from npm, kept; None where it cannot be had."""
    folder = Path(os.environ.get("VCELL_CACHE") or Path(tempfile.gettempdir()) / "vcell-axe") / AXE.replace("@", "-")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not source.exists() and shutil.which("npm"):
        folder.mkdir(parents=True, exist_ok=True)
        words = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, AXE]
        subprocess.run(words, check=False, timeout=120)
    return source.read_text(encoding="utf-8") if source.exists() else None


def accessible(visit: Visit, where: str) -> None:
    """axe-core finds nothing."""
    source = axe()
    if source is None:
        return print("axe-core could not be had from npm: not checked", flush=True)
    visit.page.evaluate(source)
    found = visit.page.evaluate("async where => (await axe.run(where)).violations", where)
    firsts = [(each["id"], each["nodes"][0]) for each in found]
    told = [f"{name}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}" for name, node in firsts]
    assert not told, "\n".join(told)


def drag(visit: Visit, seconds: float = 1.5) -> tuple[int, int]:
    """Drags the level to and fro; how often genes and path were drawn anew, and how many levels of genes differed."""
    page, box = visit.page, visit.page.get_by_role("slider").bounding_box()
    assert box is not None
    before, seen = int(visit.data("frames")), set()
    y, end = box["y"] + box["height"] * 0.7, time.monotonic() + seconds
    page.mouse.move(box["x"] + 0.3 * box["width"], y)
    page.mouse.down()
    share, step = 0.3, 0.02
    while time.monotonic() < end:
        share, step = share + step, -step if not 0.1 < share + step < 0.9 else step
        page.mouse.move(box["x"] + share * box["width"], y)
        seen.add(visit.data("genes"))
    visit.after(page.mouse.up)
    return int(visit.data("frames")) - before, len(seen)


def by_mouse(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    expect(page.get_by_role("slider", name="Level of CST3")).to_be_visible()
    expect(page.locator(".vx-kept")).to_contain_text("beyond the data")
    assert "token" not in page.url and "hold=CST3" in page.url, page.url
    visit.shot(shots, "1440")
    accessible(visit, ROOT)
    frames, levels = drag(visit)
    assert frames > 5 and levels > 5, "path and genes move with the slider"
    box = page.locator(".vx-map").bounding_box()
    assert box is not None
    who = page.locator(".vx-who").inner_text()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    for across, down in ((x / 24, y / 16) for y in range(1, 15) for x in range(1, 24)):  # hover until a cell says its name
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if visit.data("spot"):
            break
    expect(page.locator(".vx-tip")).to_be_visible()
    name = page.locator(".vx-tip b").inner_text()
    at = (box["x"] + across * box["width"], box["y"] + down * box["height"])
    visit.after(lambda: page.mouse.click(*at))
    assert name in page.locator(".vx-who").inner_text() or page.locator(".vx-who").inner_text() != who, "a click picks a cell"
    zooms(visit)
    said = hold(visit, "lyz")
    assert "LYZ" in said and "CST3" in said, said
    visit.shot(shots, "two-genes")
    moved = visit.after(lambda: page.get_by_role("slider").press("ArrowRight"))
    assert moved != said, "the slider changed nothing"
    assert "0.00" in visit.after(lambda: visit.press("Knock out")).split("LYZ")[1]
    visit.after(lambda: visit.press("As it is"))
    visit.after(lambda: visit.press("Undo"))
    assert "→ 0.00" in visit.words().split("LYZ")[1], "undo goes one step back"
    visit.press("Export")
    heads = {"PNG": b"\x89PNG", "SVG": b"<?xml", "PDF": b"%PDF", "Data: CSV, h5ad, Python in a zip": b"PK"}
    for label, starts in heads.items():
        assert visit.saved(label).startswith(starts), label
    lines = page.locator(".vx-popup pre").inner_text() + "\nassert len(path.states) == 21"
    visit.shot(shots, "export")
    page.keyboard.press("Escape")
    subprocess.run([sys.executable, "-c", lines], check=True, env=os.environ | {"MPLBACKEND": "Agg"})
    page.get_by_label("Colour by", exact=True).fill("NKG7")
    visit.after(lambda: page.keyboard.press("Enter"))
    visit.shot(shots, "by-gene")
    page.get_by_label("Colour by", exact=True).fill("cell_type")
    visit.after(lambda: page.keyboard.press("Enter"))
    legend = page.locator(".vx-legend button").first
    legend.click()
    expect(page.locator(".vx-legend button").first).to_have_attribute("aria-pressed", "true")
    visit.shot(shots, "only-one-label")
    page.locator(".vx-legend button").first.click()
    page.get_by_role("button", name="Draw around a group of cells").click()
    page.mouse.move(box["x"] + 0.02 * box["width"], box["y"] + 0.02 * box["height"])
    page.mouse.down()
    for across, down in ((0.98, 0.02), (0.98, 0.9), (0.02, 0.9)):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=5)
    assert "mean of" in visit.after(page.mouse.up), "the lasso chose no group"
    visit.shot(shots, "group")
    page.locator(".vx-who").click()
    page.get_by_label("Condition").fill("cell_type == 'CD19+ B' and CD79A > 1")
    visit.after(lambda: page.keyboard.press("Enter"))
    assert "mean of" in visit.after(lambda: visit.press("All matches, as a group"))
    visit.after(lambda: visit.press("Random match"))
    page.keyboard.press("Escape")


def zooms(visit: Visit) -> None:
    """The wheel: not before the map was chosen; then what is under the pointer stays there."""
    page, box = visit.page, visit.page.locator(".vx-map").bounding_box()
    assert box is not None

    def view() -> list[float]:
        return json.loads(visit.data("view"))

    x, y = box["width"] * 0.7, box["height"] * 0.55
    page.evaluate("document.activeElement.blur()")
    page.mouse.move(box["x"] + x, box["y"] + y)
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(200)
    assert view()[0] == 1, "the wheel scrolls past a map that was not chosen"
    page.locator("canvas[role=application]").focus()
    for _ in range(3):
        page.mouse.wheel(0, -80)
        page.wait_for_timeout(120)
    k, left, top = view()
    assert k > 1.5 and abs(k * x + left - x * k - left) < 1, (k, left, top)
    assert abs((x - left) / k - x) < 1 and abs((y - top) / k - y) < 1, "what is under the pointer stays there"
    page.mouse.down()
    page.mouse.move(box["x"] + x - 60, box["y"] + y - 20, steps=4)
    page.mouse.up()
    assert abs(view()[1] - left + 60) < 2 and view()[0] == k, "a drag moves the map, and chooses nothing"
    visit.press("Show all")
    until(lambda: view() == [1, 0, 0])


def by_keyboard(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    page.keyboard.press("/")
    page.keyboard.type("NKG7")
    assert "NKG7" in visit.after(lambda: page.keyboard.press("Enter")), "a gene is typed anywhere"
    page.evaluate("document.activeElement.blur()")
    visit.tab_to("AAAG")
    page.keyboard.press("Enter")
    said = visit.words()
    page.keyboard.type(OTHER)
    assert OTHER in visit.after(lambda: page.keyboard.press("Enter"))
    visit.tab_to("Next")
    assert visit.after(lambda: page.keyboard.press("Enter")) != said, "Next chose no other cell"
    visit.tab_to("Condition")
    page.keyboard.type('cell_type == "CD14+ Monocyte"')
    visit.after(lambda: page.keyboard.press("Enter"))
    visit.tab_to("Random match")
    visit.after(lambda: page.keyboard.press("Space"))
    page.keyboard.press("Escape")
    visit.tab_to("Map of cells")
    for key in ("ArrowLeft", "ArrowUp", "+", "0"):
        page.keyboard.press(key)
    visit.tab_to("Level of NKG7")
    first = visit.after(lambda: page.keyboard.press("ArrowRight"))
    assert visit.after(lambda: page.keyboard.press("PageUp")) != first
    visit.tab_to("Knock out")
    assert "→ 0.00" in visit.after(lambda: page.keyboard.press("Enter")).split("NKG7")[1]
    assert "NKG7 from" in (page.locator(".vx-words").text_content() or ""), "the path has words too"
    visit.tab_to("Export")
    page.keyboard.press("Enter")
    visit.tab_to("Data:")
    with page.expect_download(timeout=LONG) as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.endswith("association.zip")


OTHER = "ATTCCAACCCCAAA-1"  # a cell of the demonstration


def questions(visit: Visit, shots: Path | None) -> None:
    """A gene step by step; two genes in the same cell; the same in another kind of cell; which gene takes it there; the link."""
    page = visit.page
    page.get_by_role("button", name="+ compare with …").click()
    page.get_by_label("another gene, knocked out").fill("LYZ")
    said = visit.after(lambda: page.keyboard.press("Enter"))
    assert "LYZ" in said and page.locator(".vx-pin", has_text="CST3").count() == 1, said
    visit.shot(shots, "two-paths")
    page.get_by_role("button", name="+ compare with …").click()
    page.get_by_label("A cell of another label, same genes").select_option("Dendritic")
    page.wait_for_function("() => document.querySelector('.vx-who').innerText.includes('Dendritic')", timeout=LONG)
    visit.ready()
    expect(page.locator(".vx-same")).to_contain_text("built in")
    visit.shot(shots, "another-cell")
    accessible(visit, ROOT)
    page.get_by_role("button", name="Find genes that take it to").click()
    page.get_by_label("Label to go to").select_option("CD19+ B")
    page.wait_for_selector(".vx-ways button", timeout=LONG)
    visit.shot(shots, "ways")
    assert "hint" in " ".join(page.locator(".vx-popup p.vx-sub").all_inner_texts()), "its worth stands beside it"
    visit.after(lambda: page.locator(".vx-ways button").first.click())
    page.keyboard.press("Escape")
    link, said = page.url, visit.words()
    visit.page.goto("about:blank")
    visit.page.goto(link, timeout=LONG)
    visit.ready()
    until(lambda: visit.words() == said, says=f"{visit.words()} is not {said}")
    assert page.locator(".vx-pin", has_text="CST3").count() >= 1, "a link brings the pins back, too"


def when_wrong(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    said = hold(visit, "CD33D", "error")
    assert "CD3D" in said, said
    visit.shot(shots, "error")
    page.locator(".vx-who").click()
    for query, says in (
        ('__import__("os").system("true")', "Expected comparisons"),
        ("@adata.uns", "Did not find"),
        ("cell_type.map(print)", "Expected comparisons"),
    ):
        page.get_by_label("Condition").fill(query)
        said = visit.after(lambda: page.keyboard.press("Enter"), "error")
        assert says in said, said
    page.get_by_label("Name of a cell").fill("NOBODY")
    assert "NOBODY" in visit.after(lambda: page.keyboard.press("Enter"), "error")
    page.keyboard.press("Escape")
    page.get_by_label("Follow a gene").fill("NOBODY")
    assert "NOBODY" in visit.after(lambda: page.keyboard.press("Enter"), "error")


def slow_work(visit: Visit, shots: Path | None) -> None:
    """What is older is marked as such; the network is asked point by point; Cancel."""
    page = visit.page
    page.get_by_role("button", name="by association").click()
    visit.after(lambda: page.get_by_label("Effect by", exact=True).select_option("network"))
    page.keyboard.press("Escape")
    visit.shot(shots, "network")
    page.locator(".vx-who").click()
    page.get_by_label("Condition").fill("total_counts > 0")
    visit.after(lambda: page.keyboard.press("Enter"))
    visit.press("All matches, as a group")
    page.wait_for_selector(f"{ROOT}[data-state=working]")
    opacity = "getComputedStyle(document.querySelector('.vx-side')).opacity"
    until(lambda: float(page.evaluate(opacity)) < 0.6, says="the old result looks new")
    visit.shot(shots, "working")
    page.keyboard.press("Escape")
    visit.after(lambda: page.locator(".vx-toast button", has_text="Cancel").click(), "cancelled")
    visit.shot(shots, "cancelled")
    page.get_by_role("button", name="by network").click()
    visit.after(lambda: page.get_by_label("Effect by", exact=True).select_option("association"))


def fits(visit: Visit, shots: Path | None) -> None:
    """Wherever it is shown nothing is wider than the window, and map, level and path are in the first screen."""
    page, size = visit.page, visit.page.viewport_size
    assert size is not None
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"the page is {wide} pixels wider than the window"
    track, map_ = page.get_by_role("slider").bounding_box(), page.locator(".vx-map").bounding_box()
    assert track and map_ and track["y"] + track["height"] <= size["height"] and map_["y"] >= 0, (track, map_)
    accessible(visit, ROOT)


def markup(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    visit.shot(shots, "markup")
    assert "<img src=x" in page.locator(".vx-who").inner_text(), "a cell's name is shown as it is"
    assert "<b>" in hold(visit, "<b>NOBODY</b>", "error")
    hold(visit, "<img src=y onerror=hit()>")
    expect(page.locator(".vx-legend", has_text="<script>")).to_be_visible()
    assert page.locator("img[src=x], img[src=y]").count() == 0 and page.evaluate("() => window.wasHit") is None


def lonely(chromium: Browser, bundle: Path) -> None:
    """A kernel ends with its page, and there are no more than allowed; other names of this machine are refused."""
    import urllib.error
    import urllib.request

    def visit(address: str) -> Page:  # without a guard between it and the server: it would lose the last words of a page
        page = chromium.new_context().new_page()
        page.goto(address, timeout=LONG)
        page.wait_for_selector(f"{ROOT}[data-state=ready]", timeout=LONG)
        return page

    with served(bundle, most=2) as (address, server):
        first = visit(address)
        assert len(kernels(server)) == 1
        first.reload()
        first.wait_for_selector(f"{ROOT}[data-state=ready]", timeout=LONG)
        until(lambda: len(kernels(server)) == 1, says="a reload left its kernel behind")
        second = visit(address)
        third = chromium.new_context().new_page()
        answer = third.goto(address)
        assert answer is not None and answer.status == 503 and "taken" in third.content(), "a third visitor is told"
        first.goto("about:blank")
        until(lambda: len(kernels(server)) == 1, says="a page that is left keeps its kernel")
        second.close(run_before_unload=True)
        until(lambda: not kernels(server), says="a page that is closed keeps its kernel")
        request = urllib.request.Request(address, headers={"Host": "evil.example"})
        try:
            urllib.request.urlopen(request, timeout=20)
            raise AssertionError("a page from elsewhere could pose as this server")
        except urllib.error.HTTPError as error:
            assert error.code == 403, error.code


def after_sleep(chromium: Browser, bundle: Path) -> None:
    """A server that slept: the page says so until it is back; without its kernel it goes on from its link.

    It was started at a state, as `vcell explore` can be."""
    with served(bundle, state=f"cell={OTHER}&hold=CST3:1.0&gene=CST3") as (address, server):
        visit = Visit(chromium, address)
        until(lambda: OTHER in visit.words() and "1.00" in visit.words(), says="it did not open at the state")
        visit.quiet = True
        server.send_signal(signal.SIGSTOP)
        lost = visit.page.locator(".vx-lost")
        expect(lost).to_contain_text("Trying again", timeout=30_000)
        server.send_signal(signal.SIGCONT)
        expect(lost).to_be_empty(timeout=40_000)
        said = hold(visit, "LYZ")
        for kernel in kernels(server):
            kernel.kill()
        visit.page.wait_for_function("() => !document.querySelector('.vx') || performance.now() < 20000", timeout=LONG)
        until(lambda: bool(kernels(server)), 60, "the page did not go on with another kernel")
        visit.ready()
        until(lambda: visit.words() == said, 30, "the state is lost")
        wrong = [error for error in visit.errors if "Kernel connection" not in error]
        assert not wrong, wrong


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """JupyterLab with a notebook that shows the explorer of the demonstration; the notebook's address."""
    code = "from vcell.app import DEMO, read_bundle\nfrom vcell.explorer import Explorer\nExplorer(read_bundle(DEMO))"
    cell = {"cell_type": "code", "id": "first", "metadata": {}, "execution_count": None, "outputs": []}
    both = [cell | {"source": "1"}, cell | {"id": "second", "source": code}]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    note = {"cells": both, "metadata": spec, "nbformat": 4, "nbformat_minor": 5}
    (folder / "note.ipynb").write_text(json.dumps(note))
    port = 8200 + os.getpid() % 1000
    words = [f"--port={port}", "--no-browser", f"--ServerApp.root_dir={folder}", "--IdentityProvider.token=x", "--allow-root"]
    quiet: Any = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-m", "jupyterlab", *words], **quiet) as server:
        try:
            yield f"http://127.0.0.1:{port}/lab/tree/note.ipynb?token=x&reset"
        finally:
            server.terminate()
            server.wait(30)


def in_lab(chromium: Browser, folder: Path, shots: Path | None) -> None:
    """In JupyterLab: it fits its screen, and keys that are meant for it reach no cell."""
    with lab(folder) as address:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        for _ in range(60):
            try:
                page.goto(address)
                break
            except Exception:
                page.wait_for_timeout(500)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=LONG)
        page.get_by_text("| Idle").wait_for(timeout=LONG)
        page.locator(".jp-Cell").nth(1).locator(".jp-InputArea-editor").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(f"{ROOT}[data-state=ready]", timeout=LONG)
        for selector in ("canvas[role=application]", ".vx-track", ".vx-undo, .vx-who"):
            page.locator(selector).first.focus()
            for key in ("d", "d", "x"):
                page.keyboard.press(key)
        assert page.locator(".jp-Cell").count() == 2, "a key deleted a cell of the notebook"
        box = page.locator(ROOT).bounding_box()
        assert box is not None and box["height"] < 810, box
        page.locator(ROOT).scroll_into_view_if_needed()
        page.evaluate("document.querySelector('.vx').scrollIntoView()")
        if shots is not None:
            page.wait_for_timeout(500)
            page.screenshot(path=shots / "lab.png")
        page.evaluate("() => { document.body.dataset.jpThemeLight = 'false'; }")
        ground = page.evaluate("() => getComputedStyle(document.querySelector('.vx')).getPropertyValue('--vx-bg')")
        assert ground.strip() == "#14171a", "a dark JupyterLab has a dark explorer"
        if shots is not None:
            page.wait_for_timeout(300)
            page.screenshot(path=shots / "lab-dark.png")
        source = axe()
        if source:
            page.evaluate(source)
            found = page.evaluate("async () => (await axe.run('.vx')).violations.map(each => each.id + each.nodes[0].html)")
            assert not found, found
        context.close()


def strange_bundle(folder: Path) -> Path:
    """The demonstration with markup in names of a cell, a gene and a cell type."""
    import json

    from vcell.app import DEMO, read_bundle, write_bundle
    from vcell.model import load_model

    state = read_bundle(DEMO)
    adata, cell = state.adata.copy(), "<img src=x onerror=hit()>"
    adata.obs_names = [cell, *adata.obs_names[1:]]
    kinds = adata.obs["cell_type"].astype(str)
    adata.obs["cell_type"] = kinds.replace(kinds.iloc[0], "<script>hit()</script>")
    gene = "<img src=y onerror=hit()>"
    adata.var_names = [gene if name == "LYZ" else name for name in adata.var_names]
    shutil.copytree(DEMO / "model", folder / "model")
    record = json.loads((folder / "model" / "record.json").read_text())
    record["genes"] = [gene if name == "LYZ" else name for name in record["genes"]]
    (folder / "model" / "record.json").write_text(json.dumps(record))
    state.map.genes, state.map.obs = record["genes"], adata.obs
    begin = {"cell": cell, "hold": {"CST3": 0.0}}
    return write_bundle(folder / "bundle", load_model(folder / "model"), adata, map=state.map, begin=begin)


SIZES = {"1440x900": (1440, 900), "1920x1080": (1920, 1080), "1024x768": (1024, 768), "420x900": (420, 900)}
ALONE = ("lonely", "after_sleep")  # mostly they wait: beside the others, in a process of their own


def sizes(visit: Visit, shots: Path | None) -> None:
    for name, (width, height) in SIZES.items():
        visit.page.set_viewport_size({"width": width, "height": height})
        visit.page.wait_for_timeout(200)
        visit.shot(shots, "explorer" if name == "1440x900" else name)  # the picture of the page of the explorer
        fits(visit, shots)
    visit.page.set_viewport_size({"width": 1440, "height": 900})
    visit.page.emulate_media(color_scheme="dark")
    visit.shot(shots, "dark")
    fits(visit, shots)
    visit.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    paper = visit.page.evaluate("() => getComputedStyle(document.querySelector('.vx')).getPropertyValue('--vx-bg')")
    assert paper.strip() == "#ffffff", "paper is white by night, too"
    visit.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    if shots is not None:
        visit.page.pdf(path=shots / "print.pdf", print_background=True)


def double(visit: Visit, shots: Path | None) -> None:
    visit.shot(shots, "200")
    fits(visit, shots)


def test(shots: Path | None, only: str = "") -> int:
    """Walks through the app; returns how many walks failed."""
    failed = 0
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)

    def walk(name: str, does: Callable[[], Any]) -> None:
        nonlocal failed
        if not (any(word in name for word in only.split(",")) if only else name not in ALONE):
            return
        begun = time.monotonic()
        try:
            does()
            print(f"passed  {name:14} {time.monotonic() - begun:5.1f} s", flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAILED  {name}", flush=True)

    def on_page(does: Callable[[Visit, Path | None], None], chromium: Browser, address: str, **how: Any) -> None:
        visit = Visit(chromium, address, **how)
        try:
            does(visit, shots)
            visit.close()
        except Exception:
            visit.shot(shots, f"failed-{does.__name__}")
            visit.context.close()
            raise

    from vcell.app import DEMO

    words = [sys.executable, __file__, "test", "--only", ",".join(ALONE)]
    beside = None if only else subprocess.Popen(words)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        with app() as (address, _):
            for does in (by_mouse, by_keyboard, questions, when_wrong, slow_work):
                walk(does.__name__, lambda does=does: on_page(does, chromium, address))  # type: ignore[misc]
            walk("sizes", lambda: on_page(sizes, chromium, address))
            walk("200", lambda: on_page(double, chromium, address, size=(720, 450), scale=2))
        walk("lonely", lambda: lonely(chromium, DEMO))
        walk("after_sleep", lambda: after_sleep(chromium, DEMO))
        walk("in_lab", lambda: in_lab(chromium, Path(folder), shots))
        with served(strange_bundle(Path(folder))) as (address, _):
            walk("markup", lambda: on_page(markup, chromium, address))
    failed += beside.wait() if beside else 0
    print(f"browser: {failed} failed")
    return failed


def frames(n_cells: int, n_genes: int) -> None:
    """Seconds until it is open, and frames per second while a level is dragged for ten seconds."""
    from vcell.app import write_bundle
    from vcell.map import CellMap, embed
    from vcell.model import Config
    from vcell.toy import toy_atlas
    from vcell.training import fit

    few = min(n_cells, 4_000)
    atlas = toy_atlas(n_cells=few, n_genes=n_genes, depth=400, seed=0)  # about 8 % of the values are not zero
    model, _ = fit(atlas, Config(n_hidden=128), epochs=2, seed=0, progress=False)
    map, gene = embed(model, atlas.copy()), atlas.var_names[1]
    if n_cells > few:
        atlas, map = repeated(atlas, map, n_cells, CellMap)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        cell = atlas.obs_names[int((atlas[:few, gene].X.toarray().ravel() > 0).argmax())]
        bundle = write_bundle(Path(folder) / "b", model, atlas, map=map, begin={"cell": str(cell), "hold": {gene: 0.5}})
        del atlas, map
        begun = time.monotonic()
        with served(bundle) as (address, _):
            visit = Visit(chromium, address, patience=20 * LONG)
            opened = time.monotonic() - begun
            again = time.monotonic()
            Visit(chromium, address, patience=20 * LONG).context.close()
            later = time.monotonic() - again
            visit.page.evaluate(DRAGS)
            shown, took = visit.page.evaluate("() => vxDrag(10)")
            told = f"{n_cells:,} cells x {n_genes:,} genes: first picture after {opened:.1f} s, for the next visitor "
            told += f"after {later:.1f} s; {shown:.0f} frames a second in a drag, {took:.1f} ms to draw one"
            print(told, flush=True)
            visit.context.close()


DRAGS = """() => { window.vxDrag = seconds => new Promise(done => {
    const root = document.querySelector(".vx"), track = document.querySelector(".vx-track"), box = track.getBoundingClientRect();
    const says = (kind, x) => track.dispatchEvent(new PointerEvent(kind, { clientX: x, pointerId: 1, bubbles: true }));
    track.setPointerCapture = () => {};
    const begun = performance.now(), before = Number(root.dataset.frames);
    says("pointerdown", box.left + 100);
    const step = now => {
        says("pointermove", box.left + box.width * (0.5 + 0.4 * Math.sin((now - begun) / 400)));
        if (now - begun < seconds * 1000) return requestAnimationFrame(step);
        says("pointerup", box.left + 100);
        const took = [...root.took].sort((a, b) => a - b);
        done([(Number(root.dataset.frames) - before) / (performance.now() - begun) * 1000, took[took.length >> 1]]);
    };
    requestAnimationFrame(step);
}); }"""


def repeated(atlas: Any, map: Any, n_cells: int, CellMap: Any) -> tuple[Any, Any]:
    """The same cells again and again up to a number, a little apart on the map."""
    import anndata as ad
    import numpy as np

    rows = np.resize(np.arange(atlas.n_obs), n_cells)
    obs, uns = atlas.obs[["cell_type", "total_counts"]].iloc[rows], {"vcell": atlas.uns["vcell"]}
    obs.index = [f"cell{number}" for number in range(n_cells)]
    many = ad.AnnData(atlas.X[rows], obs=obs, var=atlas.var[[]], uns=uns)
    many.layers["counts"] = atlas.layers["counts"][rows]
    rng = np.random.default_rng(0)
    scores = map.scores[rows] + rng.normal(scale=0.01, size=(n_cells, map.scores.shape[1])).astype(np.float32)
    points = map.points[rows] + rng.normal(scale=0.05, size=(n_cells, 2)).astype(np.float32)
    return many, CellMap(map.genes, map.columns, map.center, map.axes, scores, points, points, many.obs)


def start(times: int) -> None:
    """Seconds from the command to the path on the map, and from the address to it for whoever comes later."""
    with browser() as chromium:
        for number in range(times):
            begun = time.monotonic()
            with app() as (address, _):
                listening = time.monotonic() - begun
                visit = Visit(chromium, address)
                first = time.monotonic() - begun
                visit.context.close()
                time.sleep(5)
                again = time.monotonic()
                Visit(chromium, address).context.close()
                print(f"start {number + 1}: listens after {listening:.1f} s, first picture after {first:.1f} s; a later visitor "
                      f"sees it after {time.monotonic() - again:.1f} s", flush=True)  # fmt: skip


def memory(visitors: int) -> None:
    """Proportional and unique memory of the kernels of several visitors at once."""
    import psutil

    with browser() as chromium, app() as (address, server):
        visits = [Visit(chromium, address) for _ in range(visitors)]
        full = [kernel.memory_full_info() for kernel in kernels(server)]
        assert len(full) == visitors, full
        rss, pss, uss = (statistics.mean(getattr(info, kind) for info in full) / 2**20 for kind in ("rss", "pss", "uss"))
        own = psutil.Process(server.pid).memory_info().rss / 2**20
        print(f"{len(full)} kernels: each {rss:.0f} MiB resident, {pss:.0f} MiB with what is shared divided, "
              f"{uss:.0f} MiB its own; server {own:.0f} MiB")  # fmt: skip
        for visit in visits:
            visit.context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["test", "frames", "start", "memory"])
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--only", default="", help="walks with this in their name")
    parser.add_argument("--cells", type=int, default=16_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--visitors", type=int, default=10)
    asked = parser.parse_args()
    if asked.what == "test":
        sys.exit(1 if test(asked.shots, asked.only) else 0)
    elif asked.what == "frames":
        frames(asked.cells, asked.genes)
    elif asked.what == "start":
        start(asked.times)
    else:
        memory(asked.visitors)
