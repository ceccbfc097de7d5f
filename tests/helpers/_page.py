"""Parts of a report's page."""

import html
import re


def words(text: str) -> str:
    """The page as a reader has it: no tags, entities resolved, spaces alike."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">(.*?)</section>', text, re.S)
    return found[1] if found else ""
