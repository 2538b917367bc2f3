"""What nbdev leaves to us when it makes pages of the notebooks; settings.ini names it as `renderer` and `procs`.

A class is shown with its fields, as they stand in the code, and with its public methods; a command with its `--help`.
Cells of tests are folded, warnings of other packages go, and pictures have a text for who cannot see them.
Who builds the site puts this folder on the path: PYTHONPATH=.ci nbdev_preview.
"""

import ast
import inspect
import json
import re
import textwrap
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

from nbdev.doclinks import NbdevLookup
from nbdev.process import Processor

LINK = re.compile(r"\[\[(`[^`]+`)\]\(([^)]+)\)\]\([^)]*\)")
PRIVATE = re.compile(r"\[(`(?:\w+\.)*_\w+(?:\(\))?`)\]\([^)]+\)")
WARNED = re.compile(r"(?m)^\S*\.py:\d+: \w*Warning:.*\n(?:[ \t]+.*\n?)*")
DIRECTIVE = re.compile(r"(?m)^#\s*\|.*\n?")


def is_check(node: ast.AST) -> bool:
    "An assert statement, or a call such as np.testing.assert_allclose, pytest.raises, test_eq."
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Assert)
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.startswith(("assert_", "test_")) or name in {"raises", "ExceptionExpected"}


def public_members(cls: type) -> dict[str, Any]:
    "Functions behind the public methods and properties that a class itself defines, by name, in their order."
    found = {}
    for name, each in vars(cls).items():
        function = getattr(each, "fget", None) or getattr(each, "func", None) or getattr(each, "__func__", None) or each
        if not name.startswith("_") and inspect.isfunction(function):
            found[name] = inspect.unwrap(function)
    return found


def header(sym: Any) -> str:
    "A function without its body; a class without its methods: types and comments as they were written."
    lines = textwrap.dedent(inspect.getsource(sym)).splitlines()
    node = ast.parse("\n".join(lines)).body[0]
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    if isinstance(node, ast.ClassDef):
        fields = [each for each in node.body if isinstance(each, ast.AnnAssign)] if is_dataclass(sym) else []
        fields = [each for each in fields if not getattr(each.target, "id", "").startswith("_")]
        kept = lines[node.lineno - 1 : node.lineno]
        kept += [line for each in fields for line in lines[each.lineno - 1 : each.end_lineno]]
        init = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
        if not fields and init is not None:
            kept += lines[init.lineno - 1 : init.body[0].lineno - 1]
    else:
        kept = lines[node.lineno - 1 : max(node.body[0].lineno - 1, node.lineno)]
    kept = [re.sub(r"\s*# (noqa|fmt|type: ignore)\b.*", "", line) for line in kept]
    return "\n".join(line for line in kept if line.strip()).replace("`", "")


def said(sym: Any) -> str:
    "The docstring; its first paragraph in italics."
    first, _, rest = (inspect.getdoc(sym) or "").partition("\n\n")
    first = " ".join(first.split())
    rest = re.sub(r"(?m)^(\w+)\n-{3,}$", r"**\1**\n", rest)
    rest = re.sub(r"(?m)^((?:>>>|\.\.\.) .*(?:\n(?!\s*$|>>>).*)*)", r"```python\n\1\n```", rest)
    return "\n\n".join(each for each in (f"*{first}*" if first else "", rest.replace("```\n```python\n", "")) if each)


def exported(name: str, sym: Any) -> Any:
    "What the package has under this name: a page runs the cells anew, and what they make has no source to show."
    found = NbdevLookup()[name]
    if not isinstance(found, tuple):
        return sym
    return getattr(import_module(found[1].removesuffix(".py").replace("/", ".")), name)


class Entry:
    "What stands on a page of a function, a class with its methods, or a command."

    def __init__(self, sym: Any, name: str | None = None, title_level: int = 3) -> None:
        self.name, self.level = name or getattr(sym, "__qualname__", str(sym)), title_level
        self.sym = exported(self.name, sym)

    def _one(self, sym: Any, name: str, level: int) -> str:
        where = NbdevLookup().code(name)
        source = f'[source]({where}){{target="_blank" style="float:right; font-size:smaller"}}\n\n' if where else ""
        kind = "@property\n" if isinstance(getattr(self.sym, "__dict__", {}).get(name.rpartition(".")[2]), property) else ""
        return f"{source}{'#' * level} {name}\n\n```python\n{kind}{header(inspect.unwrap(sym))}\n```\n\n{said(sym)}"

    def _repr_markdown_(self) -> str:
        if self.name.endswith("_command"):
            return f"---\n\n{self._command()}"
        parts = [self._one(self.sym, self.name, self.level)]
        if inspect.isclass(self.sym):
            for name, each in public_members(self.sym).items():
                parts.append(self._one(each, f"{self.name}.{name}", self.level + 1))
        return "---\n\n" + "\n\n".join(parts)

    def _command(self) -> str:
        from typer.main import get_command
        from typer.testing import CliRunner

        from vcell.cli import app

        name = next(each.name for each in app.registered_commands if each.callback.__name__ == self.name)
        result = CliRunner(env={"COLUMNS": "96", "TERM": "dumb"}).invoke(app, [name, "--help"], prog_name="vcell")
        assert result.exit_code == 0 and name in get_command(app).commands, result.output
        return f"### vcell {name} {{#{self.name}}}\n\n```text\n{result.output.strip()}\n```"


class Page(Processor):
    "Folds tests, mends links, drops warnings, and gives each picture a text."

    def begin(self) -> None:
        self.before = "Figure"

    def cell(self, cell: Any) -> None:
        if cell.cell_type == "markdown":
            cell.source = PRIVATE.sub(r"\1", LINK.sub(r"[\1](\2)", cell.source))
            self.before = in_words(cell.source) or self.before
        elif cell.cell_type == "code":
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    output["text"] = WARNED.sub("", "".join(output["text"])).splitlines(keepends=True)
            cell.outputs = [each for each in cell.get("outputs", []) if each.get("text") or each.output_type != "stream"]
            options = folded(cell) + described(cell, self.before)
            cell.source = "".join(f"#| {each}\n" for each in options) + cell.source


def in_words(text: str) -> str:
    "The first sentences of the last paragraph, without marks and formulas, for who cannot see the picture below it."
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", DIRECTIVE.sub("", text))
    words = re.sub(r"\$[^$]*\$|[`*>#\\]", "", words).replace('"', "'")
    lines = [line.strip() for line in words.splitlines() if line.strip() and not line.startswith(("|", ":::", "-", "<"))]
    return textwrap.shorten(lines[-1], 200, placeholder=" ...") if lines else ""


def folded(cell: Any) -> list[str]:
    "The options that fold a cell with three checks or more."
    if "code-fold" in cell.source or "echo: false" in cell.source or getattr(cell, "has_sd", 0):
        return []
    try:
        checks = sum(map(is_check, ast.walk(ast.parse(cell.source))))
    except SyntaxError:
        return []
    return ["code-fold: true", 'code-summary: "Tests"'] if checks >= 3 else []


def described(cell: Any, text: str) -> list[str]:
    "The option that gives the pictures of a cell a text, if it has any and none was written."
    pictures = any("image/png" in each.get("data", {}) or "image/svg+xml" in each.get("data", {}) for each in cell.outputs)
    return [f"fig-alt: {json.dumps(text, ensure_ascii=False)}"] if pictures and "fig-alt" not in cell.source else []
