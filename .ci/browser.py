"""The explorer in a real browser, started as a user starts it.

    python .ci/browser.py test [--shots FOLDER]              walk through it by mouse and by keyboard; exits 1 if a check fails
    python .ci/browser.py latency [--cells N] [--genes N]    from a key press to the new path on the map
    python .ci/browser.py start [--times N]                  seconds from the command to the first picture
    python .ci/browser.py memory [--visitors N]              memory of the kernels of several visitors at once

Needs Chromium: $CHROMIUM, or one that is installed. Waits for what the page says and never for a time to pass.
"""

import argparse
import itertools
import os
import shutil
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

PLAIN, READY = ".vcell-plain-map", '.vcell-status[data-state="ready"]'
LONG = 60_000
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


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
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)
    quiet = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=quiet)
        yield started
        started.close()


class Visit:
    """A page of the app, with what went wrong on it."""

    def __init__(self, browser: Browser, address: str, *, width: int = 1280, patience: int = LONG) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, accept_downloads=True)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.route("**/*", self._guard)
        self.page.goto(address, timeout=patience)
        self.page.wait_for_selector(READY, timeout=patience)

    def _guard(self, route: Any) -> None:
        if route.request.url.split("/")[2].split(":")[0] == "127.0.0.1":
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def answers(self) -> int:
        return int(self.page.locator(".vcell-status").get_attribute("data-answers") or 0)

    def after(self, does: Callable[[], Any], state: str = "ready") -> str:
        """Does something, waits until the page answers in this state, and returns what it says."""
        before = self.page.locator(".vcell-status").inner_text() if state != "ready" else ""
        count = self.answers()
        does()
        self.page.wait_for_function(
            """([state, count, before]) => {
                const said = document.querySelector(".vcell-status");
                return said && said.dataset.state === state &&
                    (state === "ready" ? Number(said.dataset.answers) > count : said.innerText !== before);
            }""",
            arg=[state, count, before], timeout=LONG,
        )  # fmt: skip
        return self.page.locator(".vcell-status").inner_text()

    def saved(self, label: str) -> bytes:
        """The file that a button saves."""
        with self.page.expect_download(timeout=LONG) as waiting:
            self.page.get_by_role("button", name=label, exact=True).click()
        return Path(waiting.value.path()).read_bytes()

    def tab_to(self, label: str, most: int = 120) -> None:
        """Presses Tab until what has this label, or says this, has the focus."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            if label in self.page.evaluate(FOCUSED):
                return
        raise AssertionError(f"{label!r} is not reached with the Tab key")

    def shot(self, folder: Path | None, name: str) -> None:
        if folder is not None:
            self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    def close(self) -> None:
        assert not self.outside, f"requests to the outside: {self.outside}"
        assert not self.errors, f"errors on the page: {self.errors}"
        self.context.close()


FOCUSED = """() => {
    const at = document.activeElement;
    if (!at) return [];
    const near = at.closest(".widget-inline-hbox"), label = near && near.querySelector(".widget-label");
    const labels = [...(at.labels || [])].map(each => each.innerText);
    return [at.getAttribute("aria-label"), at.innerText, label && label.innerText, ...labels]
        .filter(Boolean).map(text => text.trim());
}"""


def hold(visit: Visit, gene: str) -> str:
    """Holds a gene by the mouse."""
    visit.page.get_by_label("Gene", exact=True).fill(gene)
    return visit.after(lambda: visit.page.get_by_role("button", name="Hold this gene").click())


def by_mouse(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    page.wait_for_selector(f"{PLAIN}[data-states='21']")
    expect(page.get_by_role("slider", name="CST3")).to_be_attached()
    expect(page.get_by_role("img", name="Genes up and down. The genes that change most")).to_be_visible()
    visit.shot(shots, "demo")
    box = page.locator(PLAIN).bounding_box()
    assert box is not None
    chosen = page.get_by_label("Cell", exact=True).input_value()
    clusters, grid = ((0.42, 0.37), (0.29, 0.72), (0.05, 0.58)), itertools.product(range(1, 13), range(1, 20))
    for across, down in (*clusters, *((x / 20, y / 20) for x, y in grid)):  # where cells are, then everywhere
        page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])
        page.wait_for_timeout(300)
        if page.get_by_label("Cell", exact=True).input_value() != chosen:
            break
    else:
        raise AssertionError("no click on the map chose another cell")
    page.wait_for_function("""() => document.querySelector(".vcell-status").innerText.includes(
        document.querySelector("input[list]").value)""", timeout=LONG)
    said = hold(visit, "LYZ")
    assert "LYZ" in said and "CST3" in said, said
    page.get_by_role("slider", name="LYZ").focus()
    moved = visit.after(lambda: page.keyboard.press("ArrowRight"))
    assert moved != said, "the slider changed nothing"
    assert "0.00" in visit.after(lambda: page.get_by_role("button", name="Knock out").last.click()).split("LYZ")[1]
    visit.after(lambda: page.get_by_role("button", name="Restore").last.click())
    expect(page.get_by_text("Prediction, not measurement").first).to_be_visible()
    for panel in ("Before and after", "Genes over levels", "Map", "Genes up and down"):
        visit.after(lambda panel=panel: page.get_by_label("Figure", exact=True).select_option(panel))
        expect(page.get_by_role("img", name=f"{panel}. The genes that change most")).to_be_visible()
        visit.shot(shots, panel.lower().replace(" ", "-"))
    assert visit.saved("Genes (CSV)").startswith(b"gene,before,after,change,std")
    assert visit.saved("Steps (CSV)").startswith(b"step,") and b"total_counts" in visit.saved("Cells (CSV)")
    assert visit.saved("Path (h5ad)").startswith(b"\x89HDF")
    heads = {"PNG": b"\x89PNG", "SVG": b"<?xml", "PDF": b"%PDF"}
    assert all(visit.saved(kind).startswith(head) for kind, head in heads.items())
    lines = visit.saved("Python").decode()
    lines += "\nassert len(path.states) == 21"
    subprocess.run([sys.executable, "-c", lines], check=True, env=os.environ | {"MPLBACKEND": "Agg"})
    visit.after(lambda: page.get_by_label("Colour", exact=True).fill("NKG7"))
    visit.after(lambda: page.get_by_label("Zoom to the path", exact=True).click())
    visit.shot(shots, "zoomed")
    visit.after(lambda: page.get_by_label("Zoom to the path", exact=True).click())
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.03 * box["height"])
    page.mouse.down()
    for across, down in ((0.62, 0.03), (0.62, 0.6), (0.05, 0.6)):
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"], steps=5)
    assert "mean of" in visit.after(page.mouse.up), "the lasso chose no group"
    page.get_by_label("Condition", exact=True).fill("cell_type == 'CD19+ B' and CD79A > 1")
    visit.after(lambda: page.keyboard.press("Enter"))
    assert "mean of" in visit.after(lambda: page.get_by_role("button", name="All matches").click())
    visit.after(lambda: page.get_by_role("button", name="Random match").click())


def by_keyboard(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    visit.tab_to("Cell")
    page.keyboard.press("Control+a")
    said = visit.after(lambda: page.keyboard.type(OTHER))
    visit.tab_to("Next")
    stepped = visit.after(lambda: page.keyboard.press("Enter"))
    assert stepped != said, "Next chose no other cell"
    visit.tab_to("Condition")
    page.keyboard.type('cell_type == "CD14+ Monocyte"')
    visit.after(lambda: page.keyboard.press("Enter"))
    visit.tab_to("Random match")
    visit.after(lambda: page.keyboard.press("Space"))
    visit.tab_to("Gene")
    page.keyboard.type("NKG7")
    page.wait_for_function("""() => [...document.querySelectorAll("datalist")].some(
        list => list.options.length && [...list.options].every(each => each.value.includes("NKG7")))""", timeout=LONG)
    visit.tab_to("Hold this gene")
    assert "NKG7" in visit.after(lambda: page.keyboard.press("Enter"))
    visit.tab_to("NKG7")
    first = visit.after(lambda: page.keyboard.press("ArrowRight"))
    assert visit.after(lambda: page.keyboard.press("PageUp")) != first
    visit.tab_to("Knock out")
    assert "NKG7" in visit.after(lambda: page.keyboard.press("Enter"))
    visit.tab_to("Map of cells. Click a cell, or draw around a group; the wheel zooms. The arrow keys move a cross, Enter "
                 "picks the cell under it, plus and minus zoom, 0 shows all.")  # fmt: skip
    for key in ("ArrowLeft", "ArrowUp", "ArrowDown", "+", "0"):
        page.keyboard.press(key)
    visit.tab_to("Figure")
    visit.after(lambda: page.keyboard.press("ArrowDown"))
    visit.tab_to("Genes (CSV)")
    with page.expect_download(timeout=LONG) as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename.startswith("genes-")
    visit.shot(shots, "keyboard")


OTHER = "ATTCCAACCCCAAA-1"  # a cell of the demonstration


def when_wrong(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    page.get_by_label("Gene", exact=True).fill("CD33D")
    said = visit.after(lambda: page.get_by_role("button", name="Hold this gene").click(), "error")
    assert "CD3D" in said, said
    visit.shot(shots, "error")
    for query, says in (
        ('__import__("os").system("true")', "Expected comparisons"),
        ("@adata.uns", "Did not find"),
        ("cell_type.map(print)", "Expected comparisons"),
    ):
        page.get_by_label("Condition", exact=True).fill(query)
        said = visit.after(lambda: page.keyboard.press("Enter"), "error")
        assert says in said, said
    page.get_by_label("Follow", exact=True).fill("LYZ, NOBODY")
    assert "NOBODY" in visit.after(lambda: page.keyboard.press("Enter"), "error")


def slow_work(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    page.get_by_label("Condition", exact=True).fill("total_counts > 0")
    visit.after(lambda: page.keyboard.press("Enter"))
    visit.after(lambda: page.get_by_role("button", name="All matches").click())
    visit.after(lambda: page.get_by_label("Effect by", exact=True).select_option("network"), "working")
    visit.after(lambda: page.get_by_role("button", name="Cancel").click(), "cancelled")
    visit.after(lambda: page.get_by_label("Effect by", exact=True).select_option("association"))


def in_narrow(visit: Visit, shots: Path | None) -> None:
    wide = visit.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    visit.shot(shots, "narrow")
    assert wide <= 0, f"the page is {wide} pixels wider than the window"


def markup(visit: Visit, shots: Path | None) -> None:
    page = visit.page
    visit.shot(shots, "markup")
    assert "<img src=x" in page.locator(".vcell-status").inner_text(), "a cell's name is shown as it is"
    page.get_by_label("Gene", exact=True).fill("<b>NOBODY</b>")
    assert "<b>" in visit.after(lambda: page.get_by_role("button", name="Hold this gene").click(), "error")
    hold(visit, "<img src=y onerror=hit()>")
    assert page.locator("img[src=x], img[src=y]").count() == 0 and page.evaluate("() => window.wasHit") is None


def portrait(visit: Visit, shots: Path | None) -> None:
    """The picture of the page of the explorer: nbs/explorer.png."""
    expect(visit.page.get_by_text('vcell.load_model("my-cell")').first).to_be_visible()
    visit.shot(shots, "explorer")


def neutral_bundle(folder: Path) -> Path:
    """The demonstration, with the lines of Python of somebody's own model instead of where it lies on this machine."""
    import json

    from vcell.app import DEMO

    copy = Path(shutil.copytree(DEMO, folder / "neutral"))
    record = json.loads((copy / "map" / "record.json").read_text())
    record["where"] = {"model": 'vcell.load_model("my-cell")', "adata": 'vcell.load("cells.h5ad")'}
    (copy / "map" / "record.json").write_text(json.dumps(record))
    return copy


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


def test(shots: Path | None) -> int:
    """Walks through the app; returns how many walks failed."""
    failed = 0
    if shots is not None:
        shots.mkdir(parents=True, exist_ok=True)

    def walk(does: Callable[[Visit, Path | None], None], visit: Visit) -> None:
        nonlocal failed
        begun = time.monotonic()
        try:
            does(visit, shots)
            visit.close()
            print(f"passed  {does.__name__:12} {time.monotonic() - begun:5.1f} s", flush=True)
        except Exception:
            failed += 1
            traceback.print_exc()
            visit.shot(shots, f"failed-{does.__name__}")
            visit.context.close()
            print(f"FAILED  {does.__name__}", flush=True)

    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        with app() as (address, _):
            for does in (by_mouse, by_keyboard, when_wrong, slow_work):
                walk(does, Visit(chromium, address))
            walk(in_narrow, Visit(chromium, address, width=420))
        with served(neutral_bundle(Path(folder))) as address:
            walk(portrait, Visit(chromium, address))
        with served(strange_bundle(Path(folder))) as address:
            walk(markup, Visit(chromium, address))
    print(f"browser: {failed} failed")
    return failed


@contextmanager
def served(bundle: Path, warm: int = 0) -> Iterator[str]:
    """The app of a bundle."""
    code = f"import vcell.app as a; a.serve({str(bundle)!r}, a.Serving(browser=False, warm={warm}))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()
            server.wait(30)


WATCH = """selector => {
    const before = window.took;
    window.took = [];
    if (before) return;
    addEventListener("keydown", () => { window.begun = performance.now(); }, true);
    const seen = () => { if (window.begun) { took.push(performance.now() - window.begun); window.begun = 0; } };
    new MutationObserver(seen).observe(document.querySelector(selector), { attributes: true, childList: true, subtree: true });
}"""


def latency(n_cells: int, n_genes: int, presses: int = 40) -> None:
    """From a key press on a slider to the new path on the map: median, 90th percentile."""
    from vcell.app import write_bundle
    from vcell.map import CellMap, embed
    from vcell.model import Config
    from vcell.toy import toy_atlas
    from vcell.training import fit

    few = min(n_cells, 11_000)
    atlas = toy_atlas(n_cells=few, n_genes=n_genes, depth=400, seed=0)  # about 8 % of the values are not zero
    model, _ = fit(atlas, Config(), epochs=2, seed=0, progress=False)
    map, gene = embed(model, atlas.copy()), atlas.var_names[1]
    if n_cells > few:
        atlas, map = repeated(atlas, map, n_cells, CellMap)
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        cell = atlas.obs_names[int((atlas[:few, gene].X.toarray().ravel() > 0).argmax())]
        bundle = write_bundle(Path(folder) / "b", model, atlas, map=map, begin={"cell": str(cell), "hold": {gene: 0.5}})
        del atlas, map
        with served(bundle) as address:
            visit = Visit(chromium, address, patience=20 * LONG)
            page = visit.page
            for gap in (1000, 100):  # milliseconds between an answer and the next press
                page.evaluate(WATCH, PLAIN)
                page.get_by_role("slider").first.focus()
                for press in range(presses):
                    page.keyboard.press("ArrowRight" if press % 40 < 20 else "ArrowLeft")
                    page.wait_for_function("n => took.length > n", arg=press, timeout=LONG)
                    page.wait_for_timeout(gap)
                took = sorted(page.evaluate("() => took"))
                print(f"{n_cells:,} cells x {n_genes:,} genes, pressed {gap} ms after an answer: median "
                      f"{statistics.median(took):.0f} ms, 90 % below {took[int(0.9 * len(took))]:.0f} ms "
                      f"({presses} presses)", flush=True)  # fmt: skip
            visit.context.close()


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
                time.sleep(15)
                again = time.monotonic()
                Visit(chromium, address).context.close()
                print(f"start {number + 1}: listens after {listening:.1f} s, first picture after {first:.1f} s; a later visitor "
                      f"sees it after {time.monotonic() - again:.1f} s", flush=True)  # fmt: skip


def memory(visitors: int) -> None:
    """Proportional and unique memory of the kernels of several visitors at once."""
    import psutil

    with browser() as chromium, app("--warm", "0") as (address, server):
        visits = [Visit(chromium, address) for _ in range(visitors)]
        own = psutil.Process(server.pid)
        kernels = [child for child in own.children(recursive=True) if "ipykernel" in " ".join(child.cmdline())]
        full = [kernel.memory_full_info() for kernel in kernels]
        rss, pss, uss = (statistics.mean(getattr(info, kind) for info in full) / 2**20 for kind in ("rss", "pss", "uss"))
        print(f"{len(kernels)} kernels: each {rss:.0f} MiB resident, {pss:.0f} MiB with what is shared divided, "
              f"{uss:.0f} MiB its own; server {own.memory_info().rss / 2**20:.0f} MiB")  # fmt: skip
        for visit in visits:
            visit.context.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["test", "latency", "start", "memory"])
    parser.add_argument("--shots", type=Path)
    parser.add_argument("--cells", type=int, default=11_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--visitors", type=int, default=10)
    asked = parser.parse_args()
    if asked.what == "test":
        sys.exit(1 if test(asked.shots) else 0)
    elif asked.what == "latency":
        latency(asked.cells, asked.genes)
    elif asked.what == "start":
        start(asked.times)
    else:
        memory(asked.visitors)
