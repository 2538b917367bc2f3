"""Mutants: would a test notice if one line of the package were wrong? Each is made in a copy of the tree, in an
exported cell and its module, and all tested cells of that notebook are run. Exits 1 if a listed one survives or no
longer fits.

    python .ci/mutants.py [NOTEBOOK...] [--list FILE] [--random N --seed S] [--jobs N]
"""

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FLIPS = {
    ast.Lt: ("<", ">="), ast.GtE: (">=", "<"), ast.Gt: (">", "<="), ast.LtE: ("<=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
EXPORT = "import sys; from nbdev.export import nb_export; nb_export(sys.argv[1])"


@dataclass(frozen=True)
class Mutant:
    "One change of one cell; `fault` says why it cannot be made."

    notebook: str  # its file's name
    cell: int
    source: str  # of the cell, changed
    why: str
    fault: str = ""


def plain(name: str) -> str:
    """The name of a notebook without its number, which may change."""
    return re.sub(r"^\d+_|\.ipynb$", "", name)


def exported(path: Path) -> dict[int, dict[str, Any]]:
    cells = enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"])
    return {k: cell for k, cell in cells if re.search(r"(?m)^#\s*\|\s*exporti?s?\b", "".join(cell["source"]))}


def listed(file: Path, names: set[str]) -> Iterator[Mutant]:
    """Those of a list: `old` must stand once in the exported cells of its notebook, or in the one of the id `cell`."""
    for item in tomllib.loads(file.read_text(encoding="utf-8"))["mutant"]:
        found = [path for path in (ROOT / "nbs").glob("*.ipynb") if plain(path.name) == plain(item["notebook"])]
        cells = exported(found[0]) if found else {}
        sources = {k: "".join(c["source"]) for k, c in cells.items() if item.get("cell", c["id"]) == c["id"]}
        there = [k for k, text in sources.items() for _ in range(text.count(item["old"]))]
        if not names or plain(item["notebook"]) in names:
            fault = "" if len(there) == 1 else f"{item['old']!r} stands there {len(there)} times"
            changed = "" if fault else sources[there[0]].replace(item["old"], item["new"])
            name = found[0].name if found else item["notebook"]
            yield Mutant(name, there[0] if there else -1, changed, item["why"], fault)


def changes(source: str) -> Iterator[tuple[int, int, str]]:
    """Where among a cell's bytes a comparison, sum, product or minimum is, from and to, and what would replace it."""
    data, tree = source.encode(), ast.parse(source)
    lines = [0, *(match.end() for match in re.finditer(rb"\n", data))]
    text = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}

    def end(node: Any) -> int:
        return lines[node.end_lineno - 1] + node.end_col_offset

    for node in ast.walk(tree):
        name = getattr(node, "id", getattr(node, "attr", ""))
        if id(node) in text:  # the places in f-strings are wrong before Python 3.12
            continue
        if isinstance(node, ast.Name | ast.Attribute) and name in NAMES:
            yield end(node) - len(name), end(node), NAMES[name]
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) else sides
        for left, op, right in zip(sides, getattr(node, "ops", [getattr(node, "op", None)]), sides[1:], strict=False):
            if type(op) in FLIPS:
                old, new = FLIPS[type(op)]
                start = data.index(old.encode(), end(left), lines[right.lineno - 1] + right.col_offset)
                yield start, start + len(old), new


def drawn(n: int, seed: int, names: set[str]) -> list[Mutant]:
    """Some at random."""
    found = []
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        for k, cell in exported(path).items() if not names or plain(path.name) in names else ():
            data = "".join(cell["source"]).encode()
            for start, stop, new in changes(data.decode()):
                before, it, after = (part.decode() for part in (data[:start], data[start:stop], data[stop:]))
                line = before.rpartition("\n")[2] + f"[{it} -> {new}]" + after.partition("\n")[0]
                found.append(Mutant(path.name, k, before + new + after, line.strip()))
    return random.Random(seed).sample(found, min(n, len(found)))


def run(tree: Path, command: list[str], limit: float | None = None) -> int | None:
    """The exit code of a command in a copy of the tree, with what it started ended too; None: it took too long."""
    # numba keeps what it compiled of cells in the folder of IPython
    own = {"PYTHONPATH": str(tree), "TMPDIR": str(tree / "tmp"), "IPYTHONDIR": str(tree / "ipython")}
    with open(tree / "log", "w") as log:
        environment: dict[str, Any] = {"cwd": tree, "env": os.environ | ONE_THREAD | own, "stdin": subprocess.DEVNULL}
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **environment)
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def tested(tree: Path, notebook: str, limit: float | None = None) -> tuple[str, float]:
    """What made a notebook fail, nothing if it passes, and in how many seconds."""
    begun = time.monotonic()
    code = run(tree, [str(Path(sys.executable).with_name("nbdev_test")), "--path", f"nbs/{notebook}"], limit)
    log = (tree / "log").read_text(encoding="utf-8", errors="replace")
    errors = re.findall(r"(?m)^\w*(?:Error|Exception|Exit)\b.*", log)
    error = "it took too long" if code is None else "" if code == 0 else (errors or [f"exit {code}"])[-1]
    return error[:100], time.monotonic() - begun


def noticed(base: Path, number: int, mutant: Mutant, usual: float) -> str:
    """Makes a mutant in a copy of `base` and runs its notebook: what noticed it, nothing if it survives."""
    tree = base.with_name(str(number))
    try:
        shutil.copytree(base, tree)
        path = tree / "nbs" / mutant.notebook
        book = json.loads(path.read_text(encoding="utf-8"))
        book["cells"][mutant.cell]["source"] = mutant.source.splitlines(keepends=True)
        path.write_text(json.dumps(book), encoding="utf-8")
        modules = {file: file.read_bytes() for file in (tree / "vcell").rglob("*.py")}
        failed = run(tree, [sys.executable, "-c", EXPORT, f"nbs/{mutant.notebook}"])
        if failed or modules == {file: file.read_bytes() for file in modules}:
            sys.exit(f"{mutant.notebook}: its module did not change.\n{(tree / 'log').read_text()}")
        return tested(tree, mutant.notebook, 3 * usual + 60)[0]
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", help="only these, with or without their number")
    parser.add_argument("--list", type=Path, default=ROOT / ".ci/mutants.toml")
    parser.add_argument("--random", type=int, default=0, help="so many drawn at random instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    names = {plain(Path(name).name) for name in asked.notebooks}
    mutants = drawn(asked.random, asked.seed, names) if asked.random else list(listed(asked.list, names))
    if not mutants:
        parser.error(f"no mutant of {', '.join(asked.notebooks)}")
    for mutant in (mutant for mutant in mutants if mutant.fault):
        print(f"not applicable {mutant.notebook}: {mutant.why}: {mutant.fault}")
    fit = [mutant for mutant in mutants if not mutant.fault]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(asked.jobs) as pool:
        base = Path(folder) / "base"
        shutil.copytree(ROOT, base, ignore=shutil.ignore_patterns(".git", "venv", "_proc", "_docs", ".*_cache"))
        for name in ("tmp", "ipython"):
            (base / name).mkdir()
        usual: dict[str, float] = {}
        for notebook in sorted({mutant.notebook for mutant in fit}):
            error, seconds = tested(base, notebook)
            print(f"unchanged {notebook}: {error or 'passes'}, {seconds:.0f} s", flush=True)
            usual |= {} if error else {notebook: seconds}
            if error:
                print((base / "log").read_text())
        alive, fit = 0, [mutant for mutant in fit if mutant.notebook in usual]
        errors = pool.map(lambda k: noticed(base, k, fit[k], usual[fit[k].notebook]), range(len(fit)))
        for mutant, error in zip(fit, errors, strict=True):
            alive += not error
            words = f"noticed   {mutant.notebook}: {mutant.why} ({error})"
            print(words if error else f"SURVIVED  {mutant.notebook}: {mutant.why}", flush=True)
    print(f"{len(fit)} mutants: {len(fit) - alive} noticed, {alive} survived; {len(mutants) - len(fit)} not tried")
    return int(len(fit) < len(mutants) or (alive > 0 and not asked.random))


if __name__ == "__main__":
    sys.exit(main())
