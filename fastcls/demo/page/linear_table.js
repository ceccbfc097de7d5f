// Tables of the linear demo: sums over all points, W and b with their gradient, and every point's scores.

/** The most rows of a table; of more points there are several tables next to each other. */
const ROWS = 12

function cell(words, style = "number") { return element("td", {class: style}, words) }

function heading(words, scope = "col", style = "number") { return element("th", {scope, class: style}, words) }

/** How many points have their highest score at their own class; a tie is not right. */
function rightOf(scores, codes) {
  return scores.filter((row, i) => row.every((score, c) => c === codes[i] || score < row[codes[i]])).length
}

function sumsTable(state, losses, steps) {
  const right = rightOf(losses.scores, state.points.codes), n = state.points.x.length
  const rows = {
    "data loss (mean over the points)": sixDigits(losses.data),
    [`penalty, ${fourDigits(state.alpha)} × sum of W²`]: sixDigits(losses.penalty),
    "full loss": sixDigits(losses.total),
    "points with the right class": `${right} of ${n}`,
    "steps taken": String(steps),
  }
  return Object.entries(rows).map(([name, value]) => element("tr", {}, heading(name, "row", ""), cell(value)))
}

/** Tables of all points: scores, with the softmax loss also probabilities, and the loss. */
function scoreTables(state, losses) {
  const {points: {codes}, loss} = state, tables = [], names = CLASS_NAMES.slice(0, state.classes)
  const head = () => element("thead", {}, element("tr", {}, heading("point"), heading("class", "col", ""),
    ...names.map((name) => heading(name)), heading("loss")))
  const size = Math.ceil(codes.length / Math.ceil(codes.length / ROWS))
  for (let first = 0; first < codes.length; first += size) {
    const rows = losses.scores.slice(first, first + size).map((scores, at) => {
      const i = first + at, shares = loss === "softmax" ? softmaxOf(scores) : null
      const cells = scores.map((score, c) => {
        const made = cell(score.toFixed(2), c === codes[i] ? "number true" : "number")
        if (shares) {
          made.append(element("span", {class: "share"}, shares[c].toFixed(3)))
          made.style.setProperty("--share", `${100 * shares[c]}%`)
        }
        return made
      })
      const name = cell(CLASS_NAMES[codes[i]], `name class-${codes[i]}`)
      return element("tr", {}, heading(i + 1, "row"), name, ...cells, cell(losses.each[i].toFixed(3)))
    })
    tables.push(element("table", {class: styleOf(loss)}, head(), element("tbody", {}, ...rows)))
  }
  return tables
}

function styleOf(loss) { return loss === "softmax" ? "points shares" : "points" }

/** W and b as fields, one row for each class; the gradient below each number. */
class WeightTable {
  /** `told(class, column, value)` */
  constructor(told) {
    this.boxes = CLASS_NAMES.map((name, c) => ["w1", "w2", "b"].map((column, f) => {
      const input = element("input", {type: "number", step: "any", "aria-label": `${column} ${name}`})
      input.addEventListener("change", () => {
        if (input.value !== "" && Number.isFinite(Number(input.value))) told(c, f, Number(input.value))
        else this.show(this.W, this.gradient)
      })
      return {input, slope: element("span", {class: "slope"})}
    }))
    this.rows = this.boxes.map((row, c) => element("tr", {}, heading(CLASS_NAMES[c], "row", `name class-${c}`),
      ...row.map(({input, slope}) => element("td", {}, input, slope))))
    const head = element("thead", {}, element("tr", {}, heading("", "col", ""), ...["w1", "w2", "b"].map((name) => heading(name, "col", ""))))
    const caption = element("caption", {}, "W and b, each with its gradient:")
    this.element = element("table", {class: "weights"}, caption, head, element("tbody", {}, ...this.rows))
  }

  show(W, gradient) {
    [this.W, this.gradient] = [W, gradient]
    this.boxes.forEach((row, c) => {
      this.rows[c].hidden = c >= W.length
      if (c >= W.length) return
      row.forEach(({input, slope}, f) => {
        input.value = W[c][f].toFixed(3)
        slope.textContent = `${gradient[c][f] < 0 ? "−" : "+"}${Math.abs(gradient[c][f]).toFixed(4)}`
      })
    })
  }

  set disabled(on) { for (const {input} of this.boxes.flat()) input.disabled = on }
}

