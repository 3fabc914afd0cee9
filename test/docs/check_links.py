#!/usr/bin/env python3
"""Links in the repository's pages lead somewhere, and every page is reached from docs/start-here.md.

usage: check_links.py [ROOT]      lists every offence; status 1 when there is one

Checked: relative links of all .md files (the target exists; a #anchor is a heading of it); files that a page names in
backticks with a folder of the repository; pages under docs/ that source files mention. Links to the web are not
followed.
"""
import os
import pathlib
import re
import sys

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.M | re.S)
HEADING = re.compile(r"^#+\s+(.*)$", re.M)
NAMED_PAGE = re.compile(r"\bdocs/[A-Za-z0-9_/-]+\.md\b")
FOLDERS = ("cmake/", "compiler/", "dialects/", "docs/", "runtime/", "targets/", "test/", "tools/")
PATH = re.compile(r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?$")
SOURCES = {".h", ".cpp", ".c", ".td", ".fbs", ".py", ".sh", ".txt", ".cmake"}
START = "docs/start-here.md"
MADE_LATER = ("docs/results/",)  # written by tools/check.sh --full


def anchors(page):
    text = FENCE.sub("", page.read_text())
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).strip().replace(" ", "-") for h in HEADING.findall(text)}


def exists(root, name):
    """A path as pages write it: a file, a folder, or a stem that stands for a .h and a .cpp."""
    return (root / name).exists() or any((root / name).parent.glob(pathlib.PurePath(name).name + ".*"))


def check_page(root, page, offences):
    """Checks one page; returns the pages that it links to."""
    name, text = page.relative_to(root).as_posix(), FENCE.sub("", page.read_text())
    linked = set()
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists():
            offences.append(f"{name}: link to {target}, which does not exist")
        elif anchor and to.suffix == ".md" and anchor not in anchors(to):
            offences.append(f"{name}: {target} names a heading that does not exist")
        else:
            linked.add(to)
    for code in CODE.findall(text):
        if code.startswith(FOLDERS) and PATH.match(code) and not code.startswith(MADE_LATER) and not exists(root, code):
            offences.append(f"{name}: `{code}` does not exist")
    return linked


def repository_files(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f != "build"]
        for name in sorted(names):
            yield pathlib.Path(folder) / name


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2]).resolve()
    offences, links = [], {}
    for path in repository_files(root):
        if path.suffix == ".md":
            links[path] = check_page(root, path, offences)
        elif path.suffix in SOURCES:
            for page in sorted(set(NAMED_PAGE.findall(path.read_text(errors="replace")))):
                if not (root / page).exists() and not page.startswith(MADE_LATER):
                    offences.append(f"{path.relative_to(root)}: names {page}, which does not exist")
    reached, work = set(), [root / START]
    while work:
        page = work.pop()
        if page not in reached:
            reached.add(page)
            work.extend(links.get(page, ()))
    for page in sorted(links):
        if page not in reached and not page.relative_to(root).as_posix().startswith(MADE_LATER):
            offences.append(f"{page.relative_to(root)}: not reached by links from {START}")
    print("\n".join(offences) or f"{len(links)} pages, {sum(map(len, links.values()))} links")
    return bool(offences)


if __name__ == "__main__":
    sys.exit(main())
