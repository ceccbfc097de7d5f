"""Build the documentation as a site: ``python docs/build.py``. Nothing is downloaded, and a warning is an error.

The pages of the lecture run while they are built, and check their numbers; ``--quick`` shows them without running them, and
``--page row17`` runs those whose names begin so. The site is in ``build/site/html``.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
import sys
from pathlib import Path

import site_pages

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUT = ROOT / "build" / "site"
#: what Sphinx reads from here; the lecture's pages reach it through sphinx-gallery
COPIED = ("*.md", "figures/*", "solutions/*.py")
#: names of the pages that run, as a regular expression
PAGES = "(row|next_)"


def put(path: Path, text: str) -> bool:
    """Write a file, unless it already says this: Sphinx reads again only what changed. Whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def to_pages(text: str) -> str:
    """Markdown whose links to what pages are made from lead to the pages: on a code host there are only the sources."""
    text = re.sub(r"\]\((lecture/(?:next/)?\w+)\.py\)", r"](\1.rst)", text)
    return text.replace("](lecture_rows.py)", "](lecture_rows.md)").replace("](solutions/)", "](solutions.rst)")


def sources(folder: Path) -> None:
    """Bring the pages to Sphinx: those written by hand are copied, those made from the code are made."""
    wanted = {path.relative_to(DOCS) for pattern in COPIED for path in DOCS.glob(pattern)}
    for name in wanted:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.suffix == ".md":
            put(target, to_pages((DOCS / name).read_text(encoding="utf-8")))
        elif not target.is_file() or not filecmp.cmp(DOCS / name, target, shallow=False):
            shutil.copy2(DOCS / name, target)
    made = site_pages.pages()
    changed = [name for name, text in made.items() if put(folder / name, text)]
    if any(name.startswith("api/") for name in changed):  # pages of names that are gone would be orphans
        shutil.rmtree(folder / "api" / "generated", ignore_errors=True)
    for path in folder.glob("*.md"):  # a page that is gone from docs/
        if path.relative_to(folder) not in wanted and path.name not in made:
            path.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Build; 0 if all went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="run no page of the lecture")
    parser.add_argument("--page", metavar="NAME", help="run only the pages of the lecture whose names begin with NAME")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the site (default: build/site)")
    options = parser.parse_args(arguments)
    known = sorted(path.stem for path in (DOCS / "lecture").rglob("*.py"))
    if options.page and not any(name.startswith(options.page) for name in known):
        parser.error(f"no page begins with {options.page!r}: there are {', '.join(known)}")
    try:
        from sphinx.cmd.build import build_main
    except ImportError:
        parser.error('the site needs Sphinx: install with: pip install "fastcls[docs]"')
    sources(options.out / "source")
    run = "" if options.quick and not options.page else options.page or PAGES
    settings = ["-D", f"sphinx_gallery_conf.filename_pattern={os.sep}{run}"] if run else ["-D", "plot_gallery=False"]
    where = [str(options.out / "source"), str(options.out / "html")]
    code = build_main(["-W", "--keep-going", "-q", "-b", "html", "-c", str(DOCS), *settings, *where])
    if code:  # what was read stays known, and would not warn again
        shutil.rmtree(options.out / "html", ignore_errors=True)
    else:
        print(f"the site: {options.out / 'html' / 'index.html'}")
    return code


if __name__ == "__main__":
    sys.exit(main())
