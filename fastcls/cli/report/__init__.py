"""The reports of ``fastcls run`` and ``fastcls compare``: one self-contained page each.

``_page.py`` turns an outcome into sentences and tables. ``_data.py`` is about the data and the files, ``_errors.py`` about
classes, errors and calibration, ``_sections.py`` about choices and what was learned, ``_protocol.py`` about published
protocols, ``_lecture.py`` has the lecture's figures. ``_figures.py`` turns a figure into SVG; ``report.html.j2`` and
``report.css`` lay the page out (``_render.py``). ``_comparison.py`` and ``comparison.html.j2`` make the page of
``fastcls compare``.
"""
