// The page of the linear demo.

/** Time between two steps of a run, in ms. */
const PERIOD = 80

class LinearView {
  constructor(state, engine) {
    this.model = new LinearModel(state)
    this.engine = engine
    this.running = null
    const hint = "Drag a point, or change W and b. On the line of a class its score is 0; the arrow points to higher scores. " +
      "The plane has the colour of the class with the highest score."
    this.frame = new Frame(hint, {text: () => writeLinear(this.model.state), look: () => this.look()})
    this.plane = new Plane("Highest score", {
      drag: (place, x, y) => this.drag(place, x, y),
      drop: (place) => this.choose(place),
      look() {},
      away() {},
      tied: "a tie everywhere: equal scores",
    })
    this.keys = new PointFields({
      chosen: (place) => this.choose(place),
      moved: (place, x, y) => {
        this.model.move(place, x, y)
        this.choose(place)
      },
    })
    this.weights = new WeightTable((c, column, value) => {
      this.model.setWeight(c, column, value)
      this.refresh()
    })
    this.sums = element("table", {class: "sums"})
    this.chart = new Chart("Loss at each step", "step", "loss")
    this.tables = element("div", {class: "tables", role: "region", "aria-label": "Scores and losses", tabindex: 0})
    this.drawing = new AtNextFrame(() => this.draw())
    this.makeControls()
    this.refresh()
  }

  makeControls() {
    const {model} = this
    const changed = (change) => (value) => {
      change(value)
      this.refresh()
    }
    this.loss = new Choice("Loss", CONFIG.losses, changed((loss) => model.set({loss})), true)
    this.preset = new Choice("Source of the points", CONFIG.presets, changed((preset) => model.renew({preset})))
    this.alpha = new Slider("Penalty: alpha", CONFIG.alpha, 0.01, changed((alpha) => model.set({alpha})), (alpha) => alpha.toFixed(2))
    const powers = CONFIG.step.map(Math.log10)
    const stepOf = (power) => Number((10 ** power).toPrecision(3))
    this.step = new Slider("Step size", powers, 0.1, changed((power) => model.set({step: stepOf(power)})), (power) => String(stepOf(power)))
    this.classes = new Slider("Classes", CONFIG.classes, 1, changed((classes) => model.renew({classes, n: this.pointsFor(classes)})))
    this.n = new Slider("Points", CONFIG.points, 1, changed((n) => model.renew({n: Math.max(n, CONFIG.points[0])})))
    this.single = button("Single step", () => this.takeStep(), {class: "main"})
    this.run = button("Run", () => this.setRunning(this.running === null))
    const buttons = [
      this.single, this.run, button("Randomise W, b", changed(() => model.randomise())),
      button("W = 0, b = 0", changed(() => model.zero())), button("Random points", changed(() => model.another())),
      button("Reset", () => {
        this.setRunning(false)
        model.reset()
        this.refresh()
      }),
    ]
    const fields = [this.loss, this.preset, this.alpha, this.step, this.classes, this.n].map((field) => field.element)
    const controls = element("div", {class: "fields"}, ...fields, element("div", {class: "buttons"}, ...buttons))
    const numbers = element("div", {class: "numbers"}, element("div", {}, this.sums, this.weights.element), this.chart.element)
    const side = element("div", {class: "side"}, controls, numbers)
    const planes = element("div", {class: "planes"}, this.plane.element, this.keys.element)
    this.stage = element("main", {class: "stage"}, planes, side, this.tables)
    document.body.append(this.frame.header, this.stage, this.frame.footer)
  }

  /** A new number of classes brings its points along, if their number is the usual one. */
  pointsFor(classes) {
    const {state} = this.model, n = state.points.x.length
    return n === 4 * state.classes ? 4 * classes : n
  }

  /** Show another state, as if the page had opened with it. */
  open(state) {
    this.setRunning(false)
    this.model = Object.assign(this.model, new LinearModel(state))
    this.refresh()
  }

  drag(place, x, y) {
    this.model.move(place, x, y)
    this.plane.points = this.model.state.points
    this.plane.put(place)
    this.drawing.ask()
  }

  choose(place) {
    this.keys.place = place
    this.refresh()
    this.plane.choose(place)
  }

  look() {
    this.plane?.rescale()
    this.plane?.repaint()
    this.chart?.draw()
  }

  async takeStep(wanted) {
    const went = await this.model.takeStep(this.engine, wanted).catch((error) => this.frame.fail(error))
    this.refresh(false)
    return went
  }

  setRunning(on) {
    if (on === (this.running !== null)) return
    if (this.running !== null) clearTimeout(this.running)
    this.running = null
    this.run.textContent = on ? "Stop" : "Run"
    this.run.setAttribute("aria-pressed", on)
    this.weights.disabled = on // a run overwrites what is typed
    if (on) this.tick()
  }

  tick() {
    const mine = (this.running = setTimeout(async () => {
      const isOn = () => this.running === mine
      const went = await this.takeStep(isOn)
      if (!isOn()) return // stopped meanwhile
      if (went) this.tick()
      else this.setRunning(false)
    }, PERIOD))
  }

  /** Update the whole page; `points` is false after a step, which moves none, but the user may be dragging one. */
  refresh(points = true) {
    const {state} = this.model
    for (const name of ["loss", "preset", "alpha", "classes"]) this[name].value = state[name]
    this.step.show(Math.log10(state.step), String(state.step)) // which may lie between two stops
    this.n.control.min = Math.min(CONFIG.points[0], state.points.x.length) // a state given as text may have fewer
    this.n.value = state.points.x.length
    if (points) {
      this.plane.show(state.points)
      this.keys.show(state.points)
    }
    this.frame.say(this.model.notes())
    this.drawing.ask()
  }

  async draw() {
    const {state} = this.model
    const asked = Promise.all([this.engine.linearPicture(state), this.engine.linearLosses(state)])
    const [classes, losses] = await asked.catch((error) => this.frame.fail(error))
    this.plane.paint(classes, state.classes)
    this.plane.draw(...zeroLines(state.W).flatMap(lineOf))
    this.weights.show(state.W, losses.gradient)
    this.sums.replaceChildren(...sumsTable(state, losses, this.model.steps))
    this.tables.replaceChildren(element("p", {}, tablesTitle(state.loss)), ...scoreTables(state, losses))
    this.showCurve(losses)
  }

  showCurve(losses) {
    const curve = this.model.curve.length ? this.model.curve : [{step: this.model.steps, ...losses}]
    const line = (name, style, key) => ({name, style, x: curve.map(({step}) => step), y: curve.map((values) => values[key])})
    const lines = [line("full loss", "total", "total"), line("data loss", "data", "data")]
    const [first, last] = [curve[0].step, curve.at(-1).step]
    const most = Math.max(...lines.flatMap(({y}) => y), 1e-6)
    const words = `${sixDigits(curve[0].total)} at step ${first}, ${sixDigits(curve.at(-1).total)} at step ${last}`
    this.chart.show(lines, [first, Math.max(last, first + 10)], [0, 1.05 * most], {words, dots: curve.length < 25})
  }
}

function tablesTitle(loss) {
  return loss === "softmax"
    ? "Score of each class, below it its probability (true class in bold), and loss of every point:"
    : "Score of each class (true class in bold), and loss of every point:"
}

/** The line of a class and its arrow, each on a pale edge that shows it on any region. */
function lineOf([c, from, to, foot, tip]) {
  const at = ([x, y]) => `${100 * x} ${-100 * y}`, [dx, dy] = [tip[0] - foot[0], tip[1] - foot[1]]
  const head = [[tip[0], tip[1]], [tip[0] - 0.28 * dx - 0.16 * dy, tip[1] - 0.28 * dy + 0.16 * dx],
    [tip[0] - 0.28 * dx + 0.16 * dy, tip[1] - 0.28 * dy - 0.16 * dx]]
  const path = `M${at(from)}L${at(to)}M${at(foot)}L${at(tip)}`
  return [
    drawn("path", {class: "line edge", d: path}), drawn("path", {class: `line class-${c}`, d: path}),
    drawn("path", {class: `head class-${c}`, d: `M${head.map(at).join("L")}Z`}),
  ]
}

