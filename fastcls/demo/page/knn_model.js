// The k-NN demo's state and its changes.

class KnnModel {
  constructor(state) {
    this.first = state
    this.reset()
  }

  /** Return to the state that the page opened with. */
  reset() {
    const {points, preset, classes, seed} = (this.state = this.first)
    this.moved = new Moved()
    this.moved.compare(points, drawPoints(preset, points.x.length, classes, seed))
    this.kBeforeTie = null
  }

  set(changes) {
    if ("k" in changes) this.kBeforeTie = null
    this.state = {...this.state, ...changes}
  }

  /**
   * Draw new points. All presets but random have two classes; with another number of classes, points are random.
   *
   * A new number of points or classes keeps the points that were moved by hand; a new preset or seed does not. The preset "tie"
   * sets K = 2, and another preset restores the earlier K.
   */
  renew({preset, n, classes, seed}) {
    const state = this.state
    if (preset !== undefined || seed !== undefined) this.moved = new Moved()
    if (preset === undefined) {
      preset = state.preset === "tie" || (classes !== undefined && classes !== 2) ? "random" : state.preset
    }
    classes = preset === "random" ? classes ?? state.classes : 2
    n ??= Math.max(CONFIG.points[0], Math.min(CONFIG.points[1], state.points.x.length))
    seed ??= state.seed
    const points = this.moved.put(drawPoints(preset, n, classes, seed), classes)
    this.state = {...state, preset, classes, seed, points}
    if (preset === "tie" && state.preset !== "tie") {
      this.kBeforeTie = state.k
      this.state.k = 2
    } else if (preset !== "tie" && this.kBeforeTie !== null) {
      this.state.k = this.kBeforeTie
      this.kBeforeTie = null
    }
  }

  /** Draw new points from the same preset. */
  another() { this.renew({seed: (this.state.seed + 1) % (CONFIG.seeds[1] + 1)}) }

  move(place, x, y) {
    const points = withMoved(this.state.points, place, x, y)
    if (points === this.state.points) return
    this.moved.note(points, place)
    this.state = {...this.state, points}
  }

  /** Sentences about an unusual state. */
  notes() {
    const {k, points, weights} = this.state, n = points.x.length, notes = []
    if (k > n) notes.push(`K is ${k}, but there ${n === 1 ? "is" : "are"} only ${counted(n, "point")}: all vote.`)
    if (new Set(points.codes).size === 1) notes.push("All points have the same class, which wins everywhere.")
    if (haveTwins(points)) notes.push("Some points have the same position.")
    if (weights === "softmax") notes.push(`The weight of a softmax vote is exp(-distance / ${CONFIG.temperature}).`)
    return notes
  }
}

function haveTwins({x, y}) {
  return new Set(Array.from(x, (at, i) => `${at},${y[i]}`)).size < x.length
}

