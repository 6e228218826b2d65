"""The classes that the pages ask for: each has a rule, and each rule is asked for."""

import re
from pathlib import Path

import nicegui

from viewfinder import web

PAGES, STATIC = Path(web.__file__).parent, Path(nicegui.__file__).parent / "static"
LIBRARIES = ("quasar.unimportant.css", "quasar.important.css", "nicegui.css")
CONDITION = re.compile(r'\["[^"]*"\]|== "[^"]*"')
CALL, TEXT, ATTRIBUTE = (
    re.compile(r"\bclasses\(([^()]*)\)"),
    re.compile(r'"([^"]*)"'),
    re.compile(r'(?<![:.-])\bclass="([^"]*)"'),
)
RULE = re.compile(r"\.((?:[\w-]|\\.)+)")


def asked():
    """Return the classes in the pages' code, but those of a look of their own (vf-)."""
    python, scripts = ("".join(path.read_text("utf-8") for path in PAGES.glob(kind)) for kind in ("*.py", "*.js"))
    python = CONDITION.sub("", python)
    texts = [text for call in CALL.findall(python) for text in TEXT.findall(call)]
    texts += re.findall(r'card\(((?:"[^"]*"(?:, )?)+)\)', python) + ATTRIBUTE.findall(python + scripts)
    names = {name.strip('",') for text in texts for name in text.split()}
    return {name for name in names if name and not name.startswith("vf-") and "{" not in name}


def ruled(*paths):
    """Return the classes that style sheets have rules for."""
    css = re.sub(r"/\*.*?\*/", "", "".join(path.read_text("utf-8") for path in paths), flags=re.DOTALL)
    return {name.replace("\\", "") for name in RULE.findall(css)}


def test_every_class_has_a_rule():
    assert asked() >= {"w-full", "gap-2", "md:grid-cols-2", "text-sm"}, "the pages' code is written otherwise now"
    assert asked() - ruled(PAGES / "layout.css", *(STATIC / name for name in LIBRARIES)) == set()


def test_no_rule_is_left_over():
    utilities = (PAGES / "layout.css").read_text("utf-8").split("@layer utilities")[1]
    names = {
        name.replace("\\", "") for name in re.findall(r"^\s*(?:@media[^{]*\{ )?\.((?:[\w-]|\\.)+) \{", utilities, re.M)
    }
    assert names - asked() == set()
