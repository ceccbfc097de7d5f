// The plane: a picture of classes, points that can be dragged, lines, and coordinates at its edges.

/** Outlines of the points by class, about 11 pixels wide around (0, 0). */
const OUTLINES = [
  "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0Z",
  "M-5 -5H5V5H-5Z",
  "M0 -6L6 4.8H-6Z",
  "M0 6L6 -4.8H-6Z",
  "M-6 0L-3 -5.2H3L6 0L3 5.2H-3Z",
]
/** How far from a point a finger or the mouse may be to take it, in CSS pixels. */
const FINGER = 22

/** The style sheet's colours of the regions, then that of a tie, as pixels of a canvas. */
function palette() {
  const style = getComputedStyle(document.documentElement)
  const names = [...CLASS_NAMES.map((_, c) => `--region-${c}`), "--tie"]
  const bytes = names.map((name) => style.getPropertyValue(name).trim().match(/\w\w/g).map((pair) => parseInt(pair, 16)))
  return new Uint32Array(Uint8Array.from(bytes.flatMap((rgb) => [...rgb, 255])).buffer)
}

/**
 * Tells `told` what happens: drag(place, x, y), drop(place), look(x, y), away(); `told.tied` is what a plane
 * that is a tie everywhere says. Coordinates are hundredths.
 */
class Plane {
  constructor(title, told) {
    this.told = told
    this.held = null
    this.chosen = null
    this.scale = 1
    this.canvas = element("canvas", {width: PIXELS, height: PIXELS})
    this.lines = drawn("g")
    this.dots = drawn("g")
    const view = `${-HALF} ${-HALF} ${2 * HALF} ${2 * HALF}`
    this.svg = drawn("svg", {viewBox: view, role: "img", "aria-label": title}, this.lines, this.dots)
    const units = Array.from({length: 7}, (_, i) => i - 3)
    const ruler = (side, numbers) => element("div", {class: `ruler ${side}`, "aria-hidden": "true"},
      ...numbers.map((n) => element("span", {}, n < 0 ? `−${-n}` : `${n}`)))
    this.allTied = element("p", {class: "all-tied", hidden: ""}, told.tied)
    this.square = element("div", {class: "square"}, this.canvas, this.svg, this.allTied)
    const framed = element("div", {class: "framed"}, ruler("y", units.toReversed()), this.square, ruler("x", units))
    this.element = element("figure", {class: "plane"}, element("figcaption", {}, title), framed)
    this.listen()
    new ResizeObserver(() => this.rescale()).observe(this.square)
  }

  /** Paint classes, the lowest row first; `nClasses` is a tie. */
  paint(classes, nClasses) {
    const colors = palette(), tie = colors[CLASS_NAMES.length]
    this.image ??= this.canvas.getContext("2d").createImageData(PIXELS, PIXELS)
    const pixels = new Uint32Array(this.image.data.buffer)
    for (let row = 0; row < PIXELS; row++) {
      const from = row * PIXELS, to = (PIXELS - 1 - row) * PIXELS
      for (let at = 0; at < PIXELS; at++) {
        const code = classes[from + at]
        pixels[to + at] = code === nClasses ? tie : colors[code]
      }
    }
    this.canvas.getContext("2d").putImageData(this.image, 0, 0)
    this.allTied.hidden = !classes.every((code) => code === nClasses)
    this.painted = {classes: classes.slice(), nClasses}
  }

  /** Paint the same classes, in the colours that the style sheet has now. */
  repaint() {
    if (this.painted) this.paint(this.painted.classes, this.painted.nClasses)
  }

  show(points) {
    this.points = points
    while (this.dots.childElementCount > points.x.length) this.dots.lastChild.remove()
    while (this.dots.childElementCount < points.x.length) this.dots.append(drawn("path", {}, drawn("title")))
    points.x.forEach((_, i) => {
      const dot = this.dots.children[i], code = points.codes[i]
      dot.setAttribute("class", `dot class-${code}`)
      dot.setAttribute("d", OUTLINES[code])
      dot.firstChild.textContent = `point ${i + 1}, ${CLASS_NAMES[code]}`
      this.put(i)
    })
    this.choose(this.chosen)
  }

  put(i) {
    const {x, y} = this.points
    this.dots.children[i].setAttribute("transform", `translate(${x[i]} ${-y[i]}) scale(${this.scale})`)
  }

  /** Mark the point that the number fields show. */
  choose(place) {
    this.chosen = place
    Array.from(this.dots.children).forEach((dot, i) => dot.classList.toggle("chosen", i === place))
  }

  /** Replace the lines by elements in the plane's own coordinates, whose y points down. */
  draw(...shapes) { this.lines.replaceChildren(...shapes) }

  /** Keep the size of the points on the screen, whatever the size of the plane. */
  rescale() {
    const width = this.square.clientWidth
    if (!width) return
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize)
    this.scale = ((2 * HALF) / width) * Math.max(1, rem / 15)
    this.svg.style.setProperty("--unit", this.scale)
    if (this.points) this.points.x.forEach((_, i) => this.put(i))
  }

  at(event) {
    const box = this.svg.getBoundingClientRect()
    const across = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height
    return [inPlane(2 * HALF * (across - 0.5)), inPlane(2 * HALF * (0.5 - down))]
  }

  /** The point nearest to an event, if it is within reach of a finger; else null. */
  nearest(event) {
    const box = this.svg.getBoundingClientRect()
    let least = (FINGER * 2 * HALF) / box.width, found = null
    const [x, y] = this.at(event)
    this.points.x.forEach((_, i) => {
      const far = Math.hypot(this.points.x[i] - x, this.points.y[i] - y)
      if (far <= least) [least, found] = [far, i]
    })
    return found
  }

  listen() {
    const {svg, told} = this
    // A finger on a point drags it; anywhere else it scrolls the page.
    svg.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1 && this.nearest(event.touches[0]) !== null && event.cancelable) event.preventDefault()
    }, {passive: false})
    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return
      this.held = this.nearest(event)
      if (this.held === null) return told.look(...this.at(event))
      svg.setPointerCapture(event.pointerId)
      svg.classList.add("holding")
      told.drag(this.held, this.points.x[this.held], this.points.y[this.held])
    })
    svg.addEventListener("pointermove", (event) => {
      if (!event.isPrimary) return
      if (this.held !== null) told.drag(this.held, ...this.at(event))
      else if (event.pointerType === "mouse") told.look(...this.at(event))
    })
    const drop = () => {
      if (this.held === null) return
      const place = this.held
      this.held = null
      svg.classList.remove("holding")
      told.drop(place)
    }
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) svg.addEventListener(name, drop)
    svg.addEventListener("pointerleave", (event) => {
      if (this.held === null && event.pointerType === "mouse") told.away()
    })
  }
}

/** Fields to move a point without a pointer: its number and coordinates. */
class PointFields {
  constructor(told) {
    this.which = new NumberBox("Point", {least: 1, most: 1, step: 1}, (number) => {
      const last = Number(this.which.control.max)
      this.place = Math.max(1, Math.min(last, Math.round(number))) - 1
      told.chosen(this.place)
    })
    const limits = {least: -HALF / 100, most: HALF / 100, step: 0.05, digits: 2}
    const move = () => told.moved(this.place, 100 * Number(this.x.control.value), 100 * Number(this.y.control.value))
    this.x = new NumberBox("Its x", limits, move)
    this.y = new NumberBox("Its y", limits, move)
    this.place = 0
    this.element = element("div", {class: "fields thirds"}, this.which.element, this.x.element, this.y.element)
  }

  show(points) {
    this.which.control.max = points.x.length
    this.place = Math.min(this.place, points.x.length - 1)
    this.which.value = this.place + 1
    this.x.value = points.x[this.place] / 100
    this.y.value = points.y[this.place] / 100
  }
}

