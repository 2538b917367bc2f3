"""Make README.md, and the pictures it shows, from nbs/index.ipynb; nbdev's own command for that needs quarto.

    python .ci/readme.py            writes README.md and nbs/index_files/
    python .ci/readme.py --check    says what would change, and exits 1 if anything would

The notebook is not run: what it shows is what was committed with it. Cells and outputs are left out as on the site
(`#| hide`, `#| export`, `#| include: false`, `#| echo: false`, `#| output: false`, `#| hide_line`); so are warnings and
progress bars.
"""

import difflib
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK, README = ROOT / "nbs" / "index.ipynb", ROOT / "README.md"
PICTURES = ROOT / "nbs" / "index_files"
HEADER = "<!-- Made from nbs/index.ipynb by `python .ci/readme.py`: edit the notebook. -->\n\n"
DIRECTIVE = re.compile(r"^\s*#\s*\|\s*(.*?)\s*$")
NOT_SHOWN = {"hide", "export", "exporti", "default_exp", "include: false"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def directives(text: str) -> set[str]:
    found = (DIRECTIVE.match(line) for line in text.splitlines())
    lines = {re.sub(r"\s*:\s*", ": ", match[1]) for match in found if match}
    return lines | {line.split()[0] for line in lines if line}


def visible(cell: Any) -> Any | None:
    """The cell as a reader of the site sees it, or None."""
    if cell.cell_type != "code":
        return cell if cell.cell_type == "markdown" else None
    flags = directives(cell.source)
    if flags & NOT_SHOWN:
        return None
    lines = [line for line in cell.source.splitlines() if not DIRECTIVE.match(line)]
    cell.source = "\n".join(line for line in lines if not re.search(r"#\s*\|\s*hide_line\s*$", line)).strip()
    if "echo: false" in flags:
        cell.metadata["transient"] = {"remove_source": True}
    cell.outputs = [
        output
        for output in ([] if "output: false" in flags else cell.outputs)
        if output.get("name") != "stderr" and WIDGET not in output.get("data", {})
    ]
    for output in cell.outputs:
        if "text/html" in output.get("data", {}):  # GitHub shows no style sheet that stands in a page
            output.data["text/html"] = re.sub(r"(?s)<style.*?</style>\s*", "", output.data["text/html"])
    return cell if cell.outputs or (cell.source and "echo: false" not in flags) else None


def from_top(match: re.Match[str]) -> str:
    """A link as seen from nbs/, made one as seen from the top."""
    target = match[2]
    if re.match(r"[a-z][a-z+.-]*:|[#/]", target):
        return match[0]
    path, mark, anchor = target.partition("#")
    return match[1] + posixpath.normpath(posixpath.join("nbs", path)) + mark + anchor


def build() -> tuple[str, dict[str, bytes]]:
    """The text of README.md, and the pictures by file name."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    given = {cell.id: cell.source for cell in notebook.cells}
    notebook.cells = [cell for cell in map(visible, notebook.cells) if cell is not None]
    notebook.metadata["language_info"] = {"name": "python"}  # nbdev_clean takes it out
    exporter = MarkdownExporter()
    exporter.display_data_priority = [
        "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/html", "text/latex", "text/plain",
    ]  # fmt: skip
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    resources = {"unique_key": "cell", "output_files_dir": PICTURES.name}
    text, resources = exporter.from_notebook_node(notebook, resources=resources)
    pictures = {}
    for old, content in resources.get("outputs", {}).items():
        # named after the cell's id, so that a cell more or less at the top renames nothing
        index, number, suffix = re.search(r"cell_(\d+)_(\d+)(\.\w+)$", old).groups()
        new = f"{notebook.cells[int(index)].id}-{number}{suffix}"
        said = re.search(r'(?m)^#\| fig-alt: "(.*)"$', given[notebook.cells[int(index)].id])
        text = text.replace(f"![png]({old})", f"![{said[1] if said else 'png'}]({PICTURES.name}/{new})")
        pictures[new] = content
    text = re.sub(r"(?m)^:::.*\n", "", text)  # boxes of the site
    text = re.sub(r"(\]\()([^)\s]+)", from_top, text)
    text = re.sub(r'(<img [^>]*?src=")([^"]+)', from_top, text)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return HEADER + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", pictures


def main() -> int:
    if not NOTEBOOK.exists():
        print(f"{NOTEBOOK} is missing: README.md is made from it.")
        return 1
    text, pictures = build()
    old_text = README.read_text(encoding="utf-8") if README.exists() else ""
    old_pictures = {path.name: path.read_bytes() for path in PICTURES.glob("*")}
    if "--check" not in sys.argv[1:]:
        README.write_text(text, encoding="utf-8")
        for name in old_pictures.keys() - pictures.keys():
            (PICTURES / name).unlink()
        for name, content in pictures.items():
            PICTURES.mkdir(exist_ok=True)
            (PICTURES / name).write_bytes(content)
        if not pictures and PICTURES.exists():
            PICTURES.rmdir()
        return 0
    both = old_text.splitlines(), text.splitlines()
    wrong = list(difflib.unified_diff(*both, "README.md", "nbs/index.ipynb", lineterm=""))
    names = sorted(old_pictures.keys() | pictures.keys())
    wrong += [f"nbs/index_files/{name} differs" for name in names if old_pictures.get(name) != pictures.get(name)]
    if wrong:
        print("\n".join(wrong))
        print("README.md and nbs/index.ipynb do not agree. Run python .ci/readme.py, and commit what it writes.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
