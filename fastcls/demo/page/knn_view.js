// The page of the k-NN demo.

/** A finger taps, a mouse points. */
const POINT_AT = matchMedia("(hover: none)").matches ? "Tap" : "Point at"
const LOOK = `${POINT_AT} the plane, or choose a point by its number, to see the vote there.`

class KnnView {
  constructor(state, engine) {
    this.model = new KnnModel(state)
    this.engine = engine
    const hint = `Drag a point and watch the regions change. White is a tie. ${POINT_AT} the plane to see the vote there.`
    this.frame = new Frame(hint, {text: () => writeKnn(this.model.state), look: () => this.look()})
    const told = {
      drag: (place, x, y) => this.drag(place, x, y),
      drop: (place) => this.drop(place),
      look: (x, y) => this.lookAt([x, y]),
      away: () => this.lookAt(null),
      tied: "a tie everywhere: equal votes",
    }
    this.planes = {l1: new Plane(CONFIG.metrics.l1, told), l2: new Plane(CONFIG.metrics.l2, told)}
    this.chart = new Chart("Leave-one-out accuracy against K", "K", "accuracy in percent")
    this.vote = element("div", {class: "vote", role: "status"})
    this.keys = new PointFields({
      chosen: (place) => this.choose(place),
      moved: (place, x, y) => {
        this.model.move(place, x, y)
        this.choose(place)
      },
    })
    this.at = null
    this.drawing = new AtNextFrame(() => this.draw())
    this.voting = new AtNextFrame(() => this.showVotes())
    this.curves = new AtNextFrame(() => this.showAccuracies())
    this.makeControls()
    this.refresh()
  }

  makeControls() {
    const {model} = this
    const changed = (change) => (value) => {
      change(value)
      this.refresh()
    }
    this.k = new Slider("K (neighbours)", CONFIG.k, 1, changed((k) => model.set({k})))
    this.metric = new Choice("Distance", CONFIG.metrics, changed((metric) => model.set({metric})))
    this.weights = new Choice("Weight of a vote", CONFIG.weights, changed((weights) => model.set({weights})))
    this.preset = new Choice("Source of the points", CONFIG.presets, changed((preset) => model.renew({preset})))
    this.classes = new Slider("Classes", CONFIG.classes, 1, changed((classes) => model.renew({classes})))
    this.n = new Slider("Points", CONFIG.points, 1, changed((n) => model.renew({n: Math.max(n, CONFIG.points[0])})))
    const again = button("Random points", changed(() => model.another()))
    const reset = button("Reset", changed(() => model.reset()))
    const fields = [this.k, this.metric, this.weights, this.preset, this.classes, this.n].map((field) => field.element)
    const controls = element("div", {class: "fields"}, ...fields, element("div", {class: "buttons"}, again, reset))
    this.area = element("div", {class: "planes"}, this.planes.l1.element, this.planes.l2.element)
    const side = element("div", {class: "side"}, controls)
    const readout = element("div", {class: "readout"}, this.vote, this.chart.element, this.keys.element)
    this.stage = element("main", {class: "stage knn"}, this.area, side, readout)
    document.body.append(this.frame.header, this.stage, this.frame.footer)
  }

  /** Show another state, as if the page had opened with it. */
  open(state) {
    this.model = Object.assign(this.model, new KnnModel(state))
    this.refresh()
  }

  drag(place, x, y) {
    this.model.move(place, x, y)
    this.at = null
    this.showPoint(place)
    this.drawing.ask()
    this.voting.ask()
  }

  /** A point that was dragged, or only tapped, is chosen; its own place is looked at. */
  drop(place) {
    const {x, y} = this.model.state.points
    this.keys.place = place
    this.at = [x[place], y[place]]
    this.refresh(false)
  }

  choose(place) {
    const {x, y} = this.model.state.points
    this.keys.place = place
    this.at = [x[place], y[place]]
    this.refresh()
  }

  lookAt(place) {
    this.at = place
    this.voting.ask()
  }

  shown() { return metricsOf(this.model.state).map((metric) => [metric, this.planes[metric]]) }

  /** The page moves the point by itself, before the picture is there. */
  showPoint(place) {
    for (const [, plane] of this.shown()) {
      plane.points = this.model.state.points
      plane.put(place)
    }
  }

  /** Colours or sizes have changed. */
  look() {
    for (const plane of Object.values(this.planes ?? {})) {
      plane.rescale()
      plane.repaint()
    }
    this.chart?.draw()
  }

  /** Update the whole page, after a change other than a drag. */
  refresh(all = true) {
    const {state} = this.model
    this.n.control.min = Math.min(CONFIG.points[0], state.points.x.length) // a state given as text may have fewer
    for (const name of ["k", "metric", "weights", "preset", "classes"]) this[name].value = state[name]
    this.n.value = state.points.x.length
    this.keys.show(state.points)
    this.stage.classList.toggle("two", state.metric === "both")
    for (const [metric, plane] of Object.entries(this.planes)) {
      plane.element.hidden = !metricsOf(state).includes(metric)
      plane.show(state.points)
      plane.choose(this.at === null ? null : this.keys.place)
    }
    this.frame.say(this.model.notes())
    if (all) this.drawing.ask()
    this.curves.ask()
    this.voting.ask()
  }

  async draw() {
    const {state} = this.model
    const pictures = await this.engine.knnPictures(state).catch((error) => this.frame.fail(error))
    for (const [metric, classes] of Object.entries(pictures)) this.planes[metric].paint(classes, state.classes)
  }

  /** Lines from the pointer to the neighbours that vote there, and the vote in words. */
  async showVotes() {
    const {at, model: {state}} = this
    this.vote.classList.toggle("waiting", at === null)
    if (at === null) {
      for (const plane of Object.values(this.planes)) plane.draw()
      this.vote.replaceChildren(element("p", {class: "soft"}, LOOK))
      return
    }
    const votes = await this.engine.knnVotes(state, ...at).catch((error) => this.frame.fail(error))
    if (at !== this.at || state !== this.model.state) return this.voting.ask()
    const {x, y} = state.points
    for (const [metric, {neighbors}] of Object.entries(votes)) {
      this.planes[metric].draw(...neighbors.map((i) => drawn("line", {class: "vote", x1: at[0], y1: -at[1], x2: x[i], y2: -y[i]})))
    }
    this.vote.replaceChildren(...Object.entries(votes).map(([metric, vote]) => {
      const counts = vote.totals.map((total, c) => [total, CLASS_NAMES[c]]).filter(([total]) => total > 0)
      const words = counts.map(([total, name]) => `${name} ${Number(total.toPrecision(3))}`).join(", ")
      const result = vote.tied ? "a tie (white)" : CLASS_NAMES[vote.winner]
      const where = `(${(at[0] / 100).toFixed(2)}, ${(at[1] / 100).toFixed(2)})`
      const strong = element("b", {}, metric.toUpperCase())
      return element("p", {}, strong, ` at ${where}: the ${vote.neighbors.length} nearest vote ${words}. Result: ${result}.`)
    }))
  }

  async showAccuracies() {
    const {state} = this.model
    const found = await this.engine.knnAccuracies(state).catch((error) => this.frame.fail(error))
    const lines = Object.entries(found).map(([metric, shares]) => ({
      name: metric.toUpperCase(), style: metric, x: shares.map((_, i) => i + 1), y: shares.map((share) => 100 * share),
    }))
    const all = lines.flatMap(({y}) => y)
    const words = lines.map(({name, x, y}) => `${name}: ${x.map((k, i) => `K = ${k}: ${y[i].toFixed(0)} %`).join(", ")}`).join(". ")
    const odd = Array.from({length: CONFIG.k[1]}, (_, i) => i + 1).filter((k) => k % 2)
    const options = {mark: votersOf(state), ticks: odd, dots: true, words: words || "none, with a single point", unit: " %"}
    this.chart.show(lines, [0.5, CONFIG.k[1] + 0.5], spanOf(all), options)
  }
}

/** From where to where the axis of accuracies goes: what is there fills it, but never less than 10 points. */
function spanOf(percents) {
  if (!percents.length) return [0, 100]
  const least = Math.min(...percents), most = Math.max(...percents)
  const middle = (least + most) / 2, half = Math.max(5, ((most - least) / 2) * 1.15)
  const low = Math.max(0, Math.min(Math.floor(middle - half), 90))
  return [low, Math.max(low + 10, Math.min(100, Math.ceil(middle + half)))]
}

