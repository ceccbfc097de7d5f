"""Both demos' pages on a phone, a laptop and a projector, in light and dark, in large type, and within another page."""

import pytest
from _demo_pages import L1, L2, NEEDS_BROWSER, SCORES, check_picture, pages_of_module, slide

pytestmark = NEEDS_BROWSER
all_pages = pytest.fixture(scope="module")(pages_of_module)

STATES = {
    "knn": ["classes=5&metric=both&k=15&weights=softmax", "points=10,10,0;10,10,0&k=9"],
    "linear": ["classes=5&loss=softmax&step=10", "W=0,0,0,0,0,0,0,0,0&points=0,0,1;0,0,1"],
}
CASES = [(name, state) for name, states in STATES.items() for state in states]
SIZES = {390: 844, 820: 1180, 1280: 800, 1920: 1080}


@pytest.fixture
def opened(all_pages):
    yield lambda demo, state=None, width=1280, **options: all_pages.open(
        "local", demo, state, width, SIZES[width], **options
    )
    all_pages.check()


def enlarge(demo):
    demo.page.get_by_role("button", name="Large type").click()
    demo.page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    demo.settle()


def planes(demo):
    """(left, top, width, height) of each plane that is shown."""
    found = [demo.page.get_by_role("img", name=title, exact=True) for title in (L1, L2, SCORES)]
    boxes = [plane.bounding_box() for plane in found if plane.count() and plane.is_visible()]
    return [(box["x"], box["y"], box["width"], box["height"]) for box in boxes]


#: what is seen beyond the window's right edge, and is not in something that scrolls or hides it
STICKING_OUT = """() => {
  const found = []
  const look = (element, inside) => {
    const style = getComputedStyle(element)
    if (style.display == "none" || style.visibility == "hidden") return
    const box = element.getBoundingClientRect()
    if (!inside && box.width && box.right > innerWidth + 1) found.push(`${element.tagName} ${box.right}`)
    const hides = inside || style.overflowX != "visible"
    for (const child of element.children) look(child, hides)
  }
  look(document.body, false)
  return found
}"""

#: accessible names, by label or text
NAMES_OF_VISIBLE = """(controls) => controls.filter((e) => e.checkVisibility() && e.getClientRects().length).map((e) =>
  e.ariaLabel || e.innerText || [...(e.labels ?? [])].map((l) => l.innerText).join())"""


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize(("name", "state"), CASES)
def test_pages_fit_their_width_also_in_large_type_and_name_their_controls(opened, name, state, width):
    demo = opened(name, state, width)
    for large in (False, True):
        if large:
            enlarge(demo)
        assert demo.page.evaluate("document.documentElement.scrollWidth") <= width
        assert demo.page.evaluate(STICKING_OUT) == []
        for _, _, across, down in planes(demo):
            assert abs(across / down - 1) < 0.01  # a square
    roles = ("slider", "combobox", "spinbutton", "textbox", "button")
    names = [name for role in roles for name in demo.page.get_by_role(role).evaluate_all(NAMES_OF_VISIBLE)]
    assert len(names) > 10
    assert all(names)


#: choices that are narrower than their longest name
CLIPPED = """() => [...document.querySelectorAll("select")].filter((select) => {
  const whole = select.cloneNode(true)
  whole.style.width = "auto"
  whole.style.position = "absolute"
  select.after(whole)
  const isClipped = whole.offsetWidth > select.offsetWidth
  whole.remove()
  return isClipped
}).map((select) => select.labels[0].innerText)"""


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", STATES)
def test_no_choice_is_clipped(opened, name, width):
    assert opened(name, None, width).page.evaluate(CLIPPED) == []


@pytest.mark.parametrize(("name", "state"), [CASES[0], ("knn", None), ("linear", None)])
@pytest.mark.parametrize("width", [1280, 1920])
def test_a_plane_is_large_on_a_projector_and_large_type_does_not_shrink_it(opened, name, state, width):
    demo = opened(name, state, width)
    normal = planes(demo)
    enlarge(demo)
    large = planes(demo)
    assert len(normal) == len(large) == (2 if state else 1)
    for (_, _, before, _), (_, top, after, down) in zip(normal, large, strict=True):
        assert after >= before - 1
        assert top + down <= SIZES[width]  # all of it is seen without scrolling
    wanted = 0.3 * width if state else 0.76 * SIZES[width]
    assert large[0][2] >= wanted
    sizes = demo.page.evaluate(
        "[...document.querySelectorAll('label')].map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 16


@pytest.mark.parametrize("name", STATES)
def test_the_page_is_dark_where_the_reader_wants_it_and_ties_are_white(opened, name):
    state = "preset=tie&k=2" if name == "knn" else "W=0,0,0,0,0,0,0,0,0"
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened(name)
    dark = opened(name, color_scheme="dark")
    assert light.page.evaluate(background) == "rgb(255, 255, 255)"
    assert dark.page.evaluate(background) == "rgb(20, 23, 27)"
    for demo in (light, dark):
        check_picture(demo)
        before = demo.page.evaluate(background)
        demo.page.get_by_role("button", name="Dark").click()
        assert demo.page.evaluate(background) != before
        demo.page.bring_to_front()
        check_picture(demo)  # painted again in the colours of now
    tied = opened(name, state, color_scheme="dark")
    canvas = "document.querySelector('figure:not([hidden]) canvas')"
    pixel = f"[...{canvas}.getContext('2d').getImageData(150, 150, 1, 1).data].join()"
    assert tied.page.evaluate(pixel) == "255,255,255,255"


#: contrast as WCAG defines it
CONTRAST = """(pairs) => {
  const style = getComputedStyle(document.documentElement)
  const light = (name) => {
    const parts = style.getPropertyValue(name).trim().match(/\\w\\w/g).map((pair) => parseInt(pair, 16) / 255)
    const [r, g, b] = parts.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  return pairs.map(([a, b]) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m)
    return (x + 0.05) / (y + 0.05)
  })
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_points_stand_out_from_what_is_behind_them(opened, scheme):
    demo = opened("knn", color_scheme=scheme)
    text = [
        ["--ink", "--page"],
        ["--soft", "--page"],
        ["--warning", "--page"],
        ["--on-accent", "--accent"],
        ["--ink", "--card"],
    ]
    text += [[f"--class-{c}", "--page"] for c in range(5)]
    assert min(demo.page.evaluate(CONTRAST, text)) >= 4.5
    shapes = [[f"--class-{c}", f"--region-{c}"] for c in range(5)] + [
        ["--field", "--page"],
        ["--l1", "--page"],
        ["--l2", "--page"],
    ]
    assert min(demo.page.evaluate(CONTRAST, shapes)) >= 3


@pytest.mark.parametrize("width", [390, 820])
def test_a_page_in_another_page_tells_its_height(all_pages, width, tmp_path):
    """As docs/demos.md says how to do it."""
    frames = "".join(f'<iframe src="{all_pages.file(name).as_uri()}#preset=ring"></iframe>' for name in STATES)
    script = """addEventListener("message", (event) => {
      for (const frame of document.querySelectorAll("iframe")) {
        if (frame.contentWindow === event.source) frame.style.height = `${event.data.fastclsHeight}px`
      }
    })"""
    style = "<style>body { margin: 0 } iframe { width: 100%; border: 0 }</style>"
    (tmp_path / "outer.html").write_text(f"<!DOCTYPE html>{style}{frames}<script>{script}</script>")
    page = all_pages.chromium.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "outer.html").as_uri())
    inner = [frame for frame in page.frames if frame != page.main_frame]
    assert len(inner) == 2
    for frame in inner:
        height = "Math.ceil(document.body.getBoundingClientRect().height)"
        read = f"() => [innerHeight, {height}, document.documentElement.scrollWidth]"
        for _ in range(100):
            seen, needed, across = frame.evaluate(read)
            if seen == needed:
                break
            page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)))")
        assert seen == needed > 500
        assert across <= width
        assert frame.get_by_label("Source of the points").input_value() == "ring"
    page.close()


def test_the_address_holds_a_state_that_the_link_copies(opened):
    demo = opened("knn", "k=3&metric=l1")
    slide(demo, "K (neighbours)", times=2)
    demo.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    demo.page.get_by_role("button", name="Copy link").click()
    demo.page.get_by_role("button", name="Copied").wait_for(timeout=5000)
    link = demo.page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(demo.url + "#metric=l1&k=5&")
    for address, k in ((link, "5"), (demo.url + "#k=9", "9")):
        demo.page.goto(address)
        demo.settle()
        assert demo.page.get_by_role("slider", name="K (neighbours)").input_value() == k
    demo.page.goto(demo.url + "#k=99")
    demo.settle()
    assert "is not valid" in demo.page.get_by_role("status").first.inner_text()
    assert demo.page.get_by_role("slider", name="K (neighbours)").input_value() == "5"
    assert all(width > 300 for _, _, width, _ in planes(demo))
