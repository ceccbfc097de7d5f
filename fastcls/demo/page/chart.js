// A small chart of lines, drawn again whenever its size changes.

/** Steps of 1, 2 or 5 times a power of ten: at most `most` of them from low to high. */
function ticksOf(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9))
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), ticks = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) ticks.push(i * step)
  return {ticks, digits}
}

/** Styles whose lines are dashed, as in the style sheet. */
const DASHED = ["l1", "data"]

class Chart {
  constructor(title, across, up) {
    this.across = across
    this.svg = drawn("svg", {class: "chart", role: "img"})
    this.legend = element("span", {class: "legend"})
    const caption = element("figcaption", {}, element("span", {}, title), this.legend)
    this.title = `${title}: ${up}`
    this.element = element("figure", {class: "chart"}, caption, this.svg)
    new ResizeObserver(() => this.draw()).observe(this.svg)
  }

  /**
   * Show lines.
   *
   * lines: [{name, style, x, y}], style being a class of the style sheet; spans: [x from, x to], [y from, y to]; options: `mark`, an x
   * with a dotted line; `ticks`, instead of round numbers; `dots`, whether each value has one; `words`, what a screen reader says; `unit`, after each y.
   */
  show(lines, xSpan, ySpan, options = {}) {
    this.shown = {lines, xSpan, ySpan, options}
    this.legend.replaceChildren(...lines.map(({name, style}) => element("span", {class: `key ${style}`}, name)))
    this.svg.setAttribute("aria-label", `${this.title}. ${options.words ?? ""}`)
    this.draw()
  }

  draw() {
    const {clientWidth: width, clientHeight: height} = this.svg
    if (!this.shown || !width || !height) return
    const {lines, xSpan, ySpan, options} = this.shown
    const em = parseFloat(getComputedStyle(this.svg).fontSize)
    const up = ticksOf(...ySpan, Math.max(2, Math.floor(height / (2.6 * em))))
    const labels = up.ticks.map((tick) => `${tick.toFixed(up.digits)}${options.unit ?? ""}`)
    const left = 0.62 * em * Math.max(...labels.map((label) => label.length)) + 0.7 * em
    const [right, top, bottom] = [width - 0.8 * em, 0.6 * em, height - 2.5 * em]
    const across = ticksOf(...xSpan, Math.max(2, Math.floor((right - left) / (3.2 * em))))
    const atX = (x) => left + ((x - xSpan[0]) / (xSpan[1] - xSpan[0])) * (right - left)
    const atY = (y) => bottom - ((y - ySpan[0]) / (ySpan[1] - ySpan[0])) * (bottom - top)
    const text = (x, y, anchor, words) => drawn("text", {x, y, "text-anchor": anchor}, words)
    const line = (style, x1, y1, x2, y2) => drawn("line", {class: style, x1, y1, x2, y2})
    const parts = up.ticks.flatMap((tick, i) => [
      line("grid", left, atY(tick), right, atY(tick)),
      text(left - 0.4 * em, atY(tick) + 0.35 * em, "end", labels[i]),
    ])
    for (const tick of options.ticks ?? across.ticks.filter((tick) => Number.isInteger(tick))) {
      parts.push(line("tick", atX(tick), bottom, atX(tick), bottom + 0.3 * em), text(atX(tick), bottom + 1.3 * em, "middle", tick))
    }
    parts.push(line("axis", left, bottom, right, bottom), text((left + right) / 2, height - 0.2 * em, "middle", this.across))
    if (options.mark !== undefined) parts.push(line("mark", atX(options.mark), top, atX(options.mark), bottom))
    // dashed lines, with smaller dots, on top of the others: where both are equal, both are seen
    const isDashed = ({style}) => DASHED.includes(style)
    for (const {style, x, y} of [...lines].sort((one, other) => isDashed(one) - isDashed(other))) {
      const r = (DASHED.includes(style) ? 0.16 : 0.28) * em
      parts.push(drawn("polyline", {class: style, points: x.map((at, i) => `${atX(at).toFixed(1)},${atY(y[i]).toFixed(1)}`).join(" ")}))
      if (options.dots) parts.push(...x.map((at, i) => drawn("circle", {class: style, cx: atX(at), cy: atY(y[i]), r})))
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`)
    this.svg.replaceChildren(...parts)
  }
}

