"""The classes that the pages ask for: each has a rule, and each rule is asked for."""

import ast
import re
from pathlib import Path

import nicegui

from viewfinder import web

PAGES, STATIC = Path(web.__file__).parent, Path(nicegui.__file__).parent / "static"
LIBRARIES = ("quasar.unimportant.css", "quasar.important.css", "nicegui.css")
CALLS = ("classes", "card", "titled_dialog")
ATTRIBUTE = re.compile(r'(?<![:.-])\bclass="([^"]*)"')
RULE = re.compile(r"\.((?:[\w-]|\\.)+)")


def texts(node):
    """Yield the strings of an expression that may be classes, not those to compare with or to look up by."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    if not isinstance(node, ast.Compare | ast.Subscript):
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def given(call):
    """Return the arguments of a call that are classes."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return call.args[name == "titled_dialog" :] if name in CALLS else []


def asked():
    """Return the classes in the pages' code, but those of a look of their own (vf-)."""
    python, scripts = ([path.read_text("utf-8") for path in sorted(PAGES.glob(kind))] for kind in ("*.py", "*.js"))
    calls = (node for text in python for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
    found = [text for call in calls for argument in given(call) for text in texts(argument)]
    found += ATTRIBUTE.findall("".join(python + scripts))
    return {name for text in found for name in text.split() if not name.startswith("vf-") and "{" not in name}


def ruled(*paths):
    """Return the classes that style sheets have rules for."""
    css = re.sub(r"/\*.*?\*/", "", "".join(path.read_text("utf-8") for path in paths), flags=re.DOTALL)
    return {name.replace("\\", "") for name in RULE.findall(css)}


def test_every_class_has_a_rule():
    assert asked() >= {"w-full", "gap-2", "md:grid-cols-2", "text-sm", "!flex-row"}, (
        "the pages are written otherwise now"
    )
    assert asked() - ruled(PAGES / "layout.css", *(STATIC / name for name in LIBRARIES)) == set()


def test_no_rule_is_left_over():
    utilities = (PAGES / "layout.css").read_text("utf-8").split("@layer utilities")[1]
    rules = re.findall(r"^\s*(?:@media[^{]*\{ )?\.((?:[\w-]|\\.)+) \{", utilities, re.MULTILINE)
    assert {name.replace("\\", "") for name in rules} - asked() == set()
