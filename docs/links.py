#!/usr/bin/env python3
"""The links of these pages, and the pages of examples in their book.

A page names an item as [`path::Item`] and another page as [text][page]; where these lead stands in definitions at its end.

- `links.py write` writes the definitions of every page anew, to the documentation on docs.rs and to the files beside it, and
  those of ../src/guide_links.md, which stand in front of each page in rustdoc: there the first of two definitions counts.
- `links.py check FOLDER [DOC]` fails if these are not up to date, or if a link within a built book leads nowhere; with
  rustdoc's folder, also those to the API.
- As mdBook's preprocessor (book.toml) it adds a page for every numbered example and links `examples/NN_name.rs` to it.
"""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
API = "https://docs.rs/irreplens/latest/irreplens"
WRITTEN = "<!-- Written by docs/links.py -->"
KINDS = {"fn": "fn", "struct": "struct", "enum": "enum", "trait": "trait", "const": "constant", "type": "type"}


def sources(module):
    """The files of a module given by its path: one, or all of a folder, those of inner folders last."""
    base = ROOT.joinpath("src", *module)
    if not module:
        return [ROOT / "src/lib.rs"]
    return [base.with_suffix(".rs")] if base.with_suffix(".rs").exists() else [*sorted(base.glob("*.rs")), *sorted(base.glob("*/**/*.rs"))]


def item(module, name):
    """The file name of an item's documentation and the file that defines it."""
    for path in sources(module):
        found = re.search(rf"^pub (?:const |unsafe )?(fn|struct|enum|trait|const|type) {name}\b", path.read_text(), re.M)
        if found:
            return f"{KINDS[found[1]]}.{name}.html", path
    return None


def member(owner, path, name):
    """The anchor of a method, variant or field; methods may stand in any file."""
    text = path.read_text()
    body = re.search(rf"^pub (struct|enum|trait) {owner}\b.*?^}}", text, re.M | re.S)
    if body and body[1] == "trait":
        method = re.search(rf"^    fn {name}\b[^;{{]*([;{{])", body[0], re.M)
        return f"#{'tymethod' if method[1] == ';' else 'method'}.{name}" if method else None
    if body and body[1] == "enum" and re.search(rf"^    {name}\b", body[0], re.M):
        return f"#variant.{name}"
    if body and re.search(rf"^    pub {name}:", body[0], re.M):
        return f"#structfield.{name}"
    for text in (path.read_text() for path in (ROOT / "src").rglob("*.rs")):
        for block in re.findall(rf"^impl(?:<[^\n]*>)? {owner}\b.*?^}}", text, re.M | re.S):
            if re.search(rf"^    pub (?:const )?fn {name}\b", block, re.M):
                return f"#method.{name}"
    return None


def target(path):
    """Where a path of the crate is documented, if it can be told."""
    parts = path.removesuffix("()").split("::")
    if len(parts) == 1 and macro(parts[0].rstrip("!")):
        return f"{API}/macro.{parts[0].rstrip('!')}.html"
    for depth in (1, 2):
        module, names = parts[:-depth], parts[-depth:]
        found = item(module, names[0]) if is_module(module) else None
        if found:
            page, source = found
            anchor = "" if depth == 1 else member(names[0], source, names[1])
            return None if anchor is None else "/".join([API, *module, page]) + anchor
    return f"{API}/{'/'.join(parts)}/index.html" if is_module(parts) else None


def is_module(parts):
    """Whether a path is that of a public module: each is declared in the file of the one before."""
    return all(
        any(re.search(rf"^pub mod {name}\b", path.read_text(), re.M) for path in declaring(parts[:i]))
        for i, name in enumerate(parts)
    )


def declaring(module):
    base = ROOT.joinpath("src", *module)
    return [path for path in (base / "mod.rs", base / "lib.rs", base.with_suffix(".rs")) if path.exists()]


def macro(name):
    return any(f"macro_rules! {name} " in path.read_text() for path in (ROOT / "src/laws").rglob("*.rs"))


def labels(text):
    """The labels that a page refers to, outside its code: `path::Item` in backticks, or the name of another page."""
    text = re.sub(r"^(```+).*?^\1 *$", "", text, flags=re.M | re.S)
    used = {label or words for words, label in re.findall(r"\[([^][]+)\](?:\[([^][]+)\])?(?!\()", text)}
    return sorted(label for label in used if re.fullmatch(r"`[a-z_]+!?(::[\w:()]+)?`", label) or label in modules())


def modules():
    """The module of the guide that each page is."""
    return {page: module for module, page in re.findall(r'(\w+),\s+"([\w-]+)\.md"', (ROOT / "src/guide.rs").read_text())}


def definitions():
    """What `write` writes: path and text of every page, then of the definitions for rustdoc."""
    lost, rustdoc = [], {}
    for path in sorted(HERE / f"{page}.md" for page in modules()):
        body = path.read_text().split(WRITTEN)[0].rstrip()
        lines = []
        for label in labels(body):
            name = label.strip("`")
            url = target(name) if label != name else f"{name}.md"
            lines.append(f"[{label}]: {url}")
            rustdoc[label] = f"crate::{name}" if label != name else f"crate::guide::{modules()[name]}"
            if url is None:
                lost.append(f"{path.name}: {label} leads nowhere")
        yield path, "\n".join([body, "", WRITTEN, "", *lines, ""]) if lines else body + "\n"
    if lost:
        sys.exit("\n".join(lost))
    lines = [f"[{label}]: {item}" for label, item in sorted(rustdoc.items())]
    yield ROOT / "src/guide_links.md", "\n".join([WRITTEN, "", *lines, ""])


def page(text):
    """A page with links to those of the examples."""
    return re.sub(r"`(examples/(\d\d_\w+)\.rs)`", r"[`\1`](examples/\2.md)", text)


def examples():
    """A page for each numbered example: its comment, then its code."""
    for path in sorted((ROOT / "examples").glob("[0-9][0-9]_*.rs")):
        lines = path.read_text().split("\n")
        head = [line for line in lines if line.startswith("//!")]
        words = "\n".join(line[3:].removeprefix(" ") for line in head).replace("`docs/", "`").split("\n")
        words = re.sub(r"`([\w-]+)\.md`", r"[\1](../\1.md)", "\n".join(words))
        words = re.sub(r"`(\d\d_\w+)\.rs`", r"[`\1.rs`](\1.md)", words)
        title = path.stem[3:].replace("_", " ").capitalize()
        code = "\n".join(lines[len(head):]).strip()
        yield path.stem, f"{path.stem[:2]}. {title}", f"# {title}\n\n{words}\n\n```rust\n{code}\n```\n"


def preprocess():
    _, book = json.load(sys.stdin)
    items = book["items"] if "items" in book else book["sections"]
    for chapter in (entry["Chapter"] for entry in items if "Chapter" in entry):
        chapter["content"] = page(chapter["content"])
        if chapter["path"] == "examples.md":
            for i, (stem, name, content) in enumerate(examples(), 1):
                chapter["sub_items"].append({"Chapter": {
                    "name": name, "content": page(content), "number": chapter["number"] + [i], "sub_items": [],
                    "path": f"examples/{stem}.md", "source_path": None, "parent_names": [chapter["name"]],
                }})
    json.dump(book, sys.stdout)


class Links(HTMLParser):
    """The anchors of a page and what it refers to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def check(folder, doc=None):
    folder = Path(folder).resolve()
    pages = {path: Links(path) for path in sorted(folder.rglob("*.html"))}
    wrong = [f"{path.name}: run docs/links.py write" for path, text in definitions() if path.read_text() != text]
    counts = {"within the book": 0, "to the API": 0}
    for path, found in pages.items():
        if path.name in ("print.html", "404.html", "toc.html"):
            continue  # the same links once more
        wrong += [f"{path.relative_to(folder)}: {text} was left" for text in re.findall(r"\[<code>\w+::[^<]*</code>\]", path.read_text())]
        for link in sorted(found.links):
            url = urlsplit(link)
            if link.startswith(API) and doc:
                where, kind = Path(doc).resolve() / url.path.removeprefix(urlsplit(API).path).lstrip("/"), "to the API"
            elif url.scheme or url.netloc:
                continue
            else:
                where, kind = (path.parent / unquote(url.path)).resolve() if url.path else path, "within the book"
            counts[kind] += 1
            if where not in pages and where.suffix == ".html" and where.exists():
                pages = {**pages, where: Links(where)}
            if not where.exists() or url.fragment and unquote(url.fragment) not in pages[where].anchors:
                wrong.append(f"{path.relative_to(folder)}: {link} leads nowhere")
    print(*wrong, *(f"{count} links {kind}" for kind, count in counts.items()), sep="\n")
    if not counts["within the book"]:
        wrong.append(f"no book in {folder}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1:2] == ["supports"]:
        sys.exit(0)
    elif sys.argv[1:2] == ["write"]:
        for path, text in list(definitions()):
            path.write_text(text)
    elif sys.argv[1:2] == ["check"]:
        check(*sys.argv[2:])
    else:
        preprocess()
