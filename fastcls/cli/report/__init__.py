"""The report of ``fastcls run``: one self-contained page.

``_page.py`` turns an outcome into sentences and tables; ``_sections.py`` and ``_lecture.py`` build the figures;
``_figures.py`` turns a figure into SVG; ``report.html.j2`` and ``report.css`` lay the page out.
"""
