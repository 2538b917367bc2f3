"""Checks that no tool does for us: each prints what is wrong, and exits 1 then. `.ci/run` calls them from the top.

    python .ci/checks.py pinned | modules | sidebar | cells | requirements | count | tested LOG RC | docs FOLDER
"""

import ast
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module, metadata
from pathlib import Path
from types import FunctionType
from typing import Any

NBS, PACKAGE = Path("nbs"), Path("vcell")
MOST_COLUMNS = 120
# required though nothing imports them by name
USED_BY_OTHERS = {
    "openpyxl": "pandas.read_excel imports it",
    "ipywidgets": "anywidget is one of its widgets",
}


def notebooks() -> list[Path]:
    """All notebooks as nbdev finds them: not those in folders, or with names, that start with `_` or `.`."""
    return [path for path in sorted(NBS.rglob("*.ipynb")) if not any(part[0] in "_." for part in path.parts)]


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def directives(cell: dict[str, Any]) -> list[str]:
    return re.findall(r"(?m)^\s*#\s*\|\s*(.+?)\s*$", source(cell)) if cell["cell_type"] == "code" else []


def settings() -> Any:
    parser = ConfigParser(delimiters=["="])
    parser.read("settings.ini", encoding="utf-8")
    return parser["DEFAULT"]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> Iterator[str]:
    """What is installed is what constraints.txt says."""
    lines = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonical(line.split("==")[0]) for line in lines if "==" in line and not line.startswith("#")}
    there = {canonical(dist.metadata["Name"]) for dist in metadata.distributions()} - {"vcell", "pip"}
    for name in sorted(there - pins):
        if name.startswith(("nvidia-", "cuda-", "triton")):
            continue  # a build of torch for GPUs names the versions of these itself
        yield f"{name} is installed and not in constraints.txt: add `{name}=={metadata.version(name)}`."


def modules() -> Iterator[str]:
    """The modules are exactly those that the notebooks name: nbdev_export never deletes one."""
    named = Counter(
        words[1].replace(".", "/") + ".py"
        for path in notebooks()
        for cell in cells(path)
        for words in map(str.split, directives(cell))
        if words[0] == "default_exp"
    )
    there = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")} - {"__init__.py", "_modidx.py"}
    yield from (f"vcell/{name} comes from no notebook: delete it." for name in sorted(there - named.keys()))
    yield from (f"vcell/{name} is missing: run nbdev_export." for name in sorted(named.keys() - there))
    yield from (f"vcell/{name} is named by {n} notebooks." for name, n in named.items() if n > 1)


def sidebar() -> Iterator[str]:
    """The sidebar lists every notebook, and none that does not exist."""
    listed = set(re.findall(r"\S+\.ipynb", (NBS / "sidebar.yml").read_text(encoding="utf-8")))
    there = {str(path.relative_to(NBS)) for path in notebooks()}
    yield from (f"nbs/sidebar.yml does not list {name}." for name in sorted(there - listed))
    yield from (f"nbs/sidebar.yml lists {name}, which does not exist." for name in sorted(listed - there))


def mixes_imports(cell: dict[str, Any]) -> bool:
    """Whether a cell that nbdev_proc_nbs runs, because it holds an import, does something else as well."""
    if cell["cell_type"] != "code" or "nbdev_export()" in source(cell) or "eval: false" in directives(cell):
        return False
    try:
        tree = ast.parse(source(cell))
    except SyntaxError:  # a magic: nbdev passes over it too
        return False
    imports = [isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)]
    return any(imports) and not all(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body)


def check_cells() -> Iterator[str]:
    """Every cell has an id, once: the exported code refers to it."""
    if not notebooks():
        yield "There are no notebooks in nbs/."
    for path in notebooks():
        title = next((source(cell) for cell in cells(path) if cell["cell_type"] == "markdown"), "")
        if not re.match(r"# \S", title):
            yield f"{path}: the first text must be `# Title`, then `> one sentence`."
        elif any(line.strip() and not re.match(r"# |> |- .*:", line) for line in title.splitlines()):
            yield f"{path}: the site drops what follows `> one sentence` in the title's cell: move it to the next."
        if "widgets" in json.loads(path.read_text(encoding="utf-8"))["metadata"]:
            yield f"{path}: it stores the state of widgets, which no page can use: execute it without (store_widget_state=False)."
        ids = Counter(cell.get("id") for cell in cells(path))
        if None in ids:
            yield f"{path}: {ids.pop(None)} cells have no id; run nbdev_clean."
        yield from (f"{path}: {n} cells have the id {name!r}." for name, n in ids.items() if n > 1)
        for cell in cells(path):
            if not any(line.startswith("export") for line in directives(cell)):
                if mixes_imports(cell):
                    yield f"{path}: the cell {cell.get('id')!r} imports and does more: the docs build would run all of it."
                continue
            lines = [line for line in source(cell).splitlines() if not re.match(r"\s*#\s*\|", line)]
            if max(map(len, lines), default=0) > MOST_COLUMNS:
                yield f"{path}: the exported cell {cell.get('id')!r} has a line of more than {MOST_COLUMNS} columns."


def requirements() -> Iterator[str]:
    """Every distribution that the package requires is imported somewhere in it, and what is imported is required.

    What an extra brings may be imported too, but for `dev`, which is not for users.
    """
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])
    owners = metadata.packages_distributions()
    used = {canonical(name) for module in imported for name in owners.get(module, [])}
    names = {
        key: {canonical(re.split(r"[<>=!~\[; ]", item)[0]) for item in value.split()}
        for key, value in settings().items()
        if key.endswith("requirements")
    }
    required = names.pop("requirements")
    extras = set().union(*(extra for key, extra in names.items() if key != "dev_requirements"))
    idle = sorted(required - used - USED_BY_OTHERS.keys())
    yield from (f"settings.ini requires {name}, which vcell never imports." for name in idle)
    yield from (
        f"vcell imports {module}, which settings.ini does not require."
        for module in sorted(imported - set(sys.stdlib_module_names) - {"vcell"})
        if not (required | extras) & {canonical(name) for name in owners.get(module, [module])}
    )


def count() -> None:
    """Print how many notebooks and assertions there are; those in cells left out by default are counted apart."""
    from vcell_pages import is_check

    skipped_flags, run, skipped = set(settings()["tst_flags"].split()), 0, 0
    for path in notebooks():
        for cell in cells(path):
            lines = directives(cell)
            if cell["cell_type"] != "code" or any(line.startswith("export") for line in lines):
                continue
            try:
                n = sum(map(is_check, ast.walk(ast.parse(source(cell)))))
            except SyntaxError:  # a magic; such a cell asserts nothing
                continue
            left_out = skipped_flags & {line.split()[0] for line in lines} or "eval: false" in lines
            run, skipped = (run, skipped + n) if left_out else (run + n, skipped)
    flags = " or ".join(sorted(skipped_flags))
    print(f"{len(notebooks())} notebooks with {run} assertions; {skipped} more in cells flagged {flags}, left out")


def tested(log: str, rc: str) -> None:
    """Print `N passed, N failed` for the notebooks in the output of nbdev_test."""
    text = Path(log).read_text(encoding="utf-8")
    started = set(re.findall(r"(?m)^Starting (\S+\.ipynb)$", text))
    _, _, tail = text.partition("nbdev Tests Failed On The Following Notebooks")
    failed = len(re.findall(r"(?m)^\t\S+\.ipynb$", tail))
    if rc == "0" and not started:
        sys.exit("nbdev_test ran no notebook.")
    if rc != "0" and not failed:  # it died before it could say
        print("0 passed, 1 failed")
    else:
        print(f"{len(started) - failed} passed, {failed} failed")


def output_of(page: Path) -> str:
    """The name under which the site has a page: nbdev drops the number of a chapter."""
    named = re.search(r"(?m)^output-file: (\S+)$", source(cells(page)[0]))
    return str(Path(*page.parts[1:]).parent / (named[1] if named else page.stem + ".html"))


def anchors_of(page: Path) -> set[str]:
    """What a link to a page can point at, as pandoc names headings."""
    found = set()
    for heading in re.findall(r"(?m)^#{1,6} +(.+?)\s*$", "\n".join(texts(cell) for cell in cells(page))):
        given = re.search(r"\{#([^}\s]+)", heading)
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|[^\w\s.-]", r"\1", heading).strip().lower()
        found.add((given[1] if given else re.sub(r"^[^a-z]+|\s+", lambda m: "-" if m[0].isspace() else "", plain)).lower())
    return found


def texts(cell: dict[str, Any]) -> str:
    """What a cell of a page says in Markdown."""
    said = ["".join(each.get("data", {}).get("text/markdown", "")) for each in cell.get("outputs", [])]
    return "\n".join([source(cell), *said] if cell["cell_type"] == "markdown" else said)


NOISE = re.compile(r"Traceback \(most recent|\w+Warning: |<Figure size [^>]*>$|/tmp/\w+|/ipykernel_\d+|site-packages/")
FENCED = re.compile(r"(?ms)^ *```.*?^ *```$|`[^`\n]*`")


def links(root: Path) -> Iterator[str]:
    """Every link of a page leads somewhere: to a notebook that is there, to an entry, to a file of the repository."""
    pages = {path: root / path.relative_to(NBS) for path in notebooks() if (root / path.relative_to(NBS)).exists()}
    anchors = {output_of(page): anchors_of(page) for page in pages.values()}
    site, git = settings()["doc_host"] + settings()["doc_baseurl"] + "/", settings()["git_url"] + "/blob/"
    for path, page in pages.items():
        for cell in cells(page):
            text, where = texts(cell), f"{path}: the cell {cell.get('id')!r}"
            if re.search(r"\[\[|\]\(\S*\[", FENCED.sub("", text)) and "[[`" in text:
                yield f"{where} has a link in a link: write a name in plain backticks."
            if any("](http" in block for block in re.findall(r"(?ms)^```python$.*?^```$", text)):
                yield f"{where} has a link inside of code."
            for target in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", text)):
                address, _, anchor = target.partition("#")
                if address.startswith(site):
                    name = address.removeprefix(site)
                    if name not in anchors or (anchor and anchor not in anchors[name]):
                        yield f"{where} links to {target}, which no page has."
                elif address.startswith(git):
                    if not Path(address.removeprefix(git).partition("/")[2]).exists():
                        yield f"{where} links to {target}, which is not in the repository."
                elif not re.match(r"[a-z]+:", address) and address:
                    file = path.parent / address
                    if address.endswith(".html"):
                        yield f"{where} links to {target}: link to the notebook, the site drops its number."
                    elif not file.exists():
                        yield f"{where} links to {target}, which does not exist."
                    elif anchor and file.suffix == ".ipynb":
                        there = anchors[output_of(root / Path(os.path.normpath(file)).relative_to(NBS))]
                        if anchor.lower() not in there:
                            yield f"{where} links to {target}: that page has no such heading."


def undocumented() -> Iterator[str]:
    """Everything public in the modules has a docstring whose first paragraph is one line, so that it reads as a title."""
    from vcell_pages import public_members

    for file in sorted(PACKAGE.glob("[!_]*.py")):
        module = import_module(f"vcell.{file.stem}")
        for name, each in vars(module).items():
            if name.startswith("_") or getattr(each, "__module__", "") != module.__name__ or not callable(each):
                continue
            if not isinstance(each, type | FunctionType):
                continue
            members = public_members(each) if isinstance(each, type) else {}
            docs_of = {name: each.__doc__} | {f"{name}.{key}": one.__doc__ for key, one in members.items()}
            for what, doc in docs_of.items():
                if not doc:
                    yield f"vcell.{file.stem}.{what} has no docstring."
                elif len(doc.strip().partition("\n\n")[0].splitlines()) > 1:
                    yield f"vcell.{file.stem}.{what}: the first paragraph of its docstring is longer than a line."


def docs(folder: str) -> Iterator[str]:
    """Every notebook became a page without errors, noise or dead links, and everything public is documented."""
    from nbconvert import HTMLExporter

    root, shown = Path(folder), set()
    for path in notebooks():
        page = root / path.relative_to(NBS)
        if not page.exists():
            yield f"{page} is missing: nbdev_proc_nbs made no page of {path}."
            continue
        for cell in cells(page):
            outputs, where = cell.get("outputs", []), f"{path}: the cell {cell.get('id')!r}"
            if any(output["output_type"] == "error" for output in outputs):
                yield f"{where} shows an error on its page."
            name = re.search(r"(?m)^show_doc\(\s*([\w.]+)", source(cell))
            if name and any("text/markdown" in output.get("data", {}) for output in outputs):
                shown.add(name[1].split(".")[-1])
            for output in outputs:
                data = output.get("data", {})
                plain = "".join(output.get("text", [])) or ("" if len(data) > 1 else "".join(data.get("text/plain", [])))
                noise = NOISE.search(plain)
                if noise:
                    yield f"{where} shows {noise[0]!r}, which is nothing for a reader."
                if "image/png" in data and "fig-alt" not in source(cell):
                    yield f"{where} has a picture without a text for who cannot see it (fig-alt)."
        html, _ = HTMLExporter().from_filename(str(page))
        print(f"{page}: {len(html) // 1024} kB of HTML")
    yield from links(root)
    yield from undocumented()
    public = getattr(import_module("vcell"), "__all__", None)
    if not public:
        yield "vcell has no __all__: it says which names are public."
    for name in sorted(set(public or ()) - shown):
        if not name.startswith("__"):
            yield f"vcell.{name} is on no page: export it with a docstring, or call show_doc({name}) in its notebook."


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    checks = {
        "pinned": pinned, "modules": modules, "sidebar": sidebar, "cells": check_cells,
        "requirements": requirements, "count": count, "tested": tested, "docs": docs,
    }  # fmt: skip
    wrong = list(checks[command](*arguments) or ())
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
