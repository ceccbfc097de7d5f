// The linear demo's state and its changes.

/** How many values the loss curve keeps; of more, every second goes. */
const CURVE = 400

class LinearModel {
  constructor(state) {
    this.first = state
    this.reset()
  }

  /** Return to the state that the page opened with. */
  reset() {
    const {points, preset, classes, seed} = (this.state = this.first)
    this.moved = new Moved()
    this.moved.compare(points, drawPoints(preset, points.x.length, classes, seed))
    this.restart()
  }

  /** Begin the curve again. */
  restart() {
    this.message = ""
    this.steps = 0
    this.curve = []
  }

  set(changes) {
    this.state = {...this.state, ...changes}
    this.message = ""
    if ("loss" in changes || "alpha" in changes) this.curve = []
  }

  /** Set one number of W (columns 0 and 1) or b (column 2). */
  setWeight(c, column, value) {
    if (Math.abs(value) > CONFIG.largest) {
      this.message = `The weight ${value} was not taken: wanted -${CONFIG.largest} to ${CONFIG.largest}.`
      return
    }
    const W = this.state.W.map((row) => row.slice())
    W[c][column] = value
    this.set({W})
  }

  /** New points. Moved points stay unless preset or seed change, and the weights of classes that stay. */
  renew({preset, n, classes, seed}) {
    const state = this.state
    if (preset !== undefined || seed !== undefined) this.moved = new Moved()
    preset ??= classes !== undefined && classes !== 2 ? "random" : state.preset
    classes = preset === "random" ? classes ?? state.classes : 2
    // hard cases need more points to be seen
    n ??= preset === state.preset ? state.points.x.length : preset === "random" ? 4 * classes : 40
    seed ??= state.seed
    const points = this.moved.put(drawPoints(preset, n, classes, seed), classes)
    const W = drawWeights(classes, seed).map((row, c) => state.W[c] ?? row)
    this.state = {...state, preset, classes, seed, points, W}
    this.message = ""
    this.curve = []
  }

  another() { this.renew({seed: (this.state.seed + 1) % (CONFIG.seeds[1] + 1)}) }

  randomise() {
    const seed = (this.state.seed + 1) % (CONFIG.seeds[1] + 1)
    const {points, preset, classes} = this.state
    // the points stay, whatever the seed: as if all of them had been moved
    points.x.forEach((_, i) => this.moved.note(points, i))
    this.state = {...this.state, seed, preset, W: drawWeights(classes, seed)}
    this.restart()
  }

  zero() {
    this.state = {...this.state, W: this.state.W.map(() => [0, 0, 0])}
    this.restart()
  }

  move(place, x, y) {
    const points = withMoved(this.state.points, place, x, y)
    if (points === this.state.points) return
    this.moved.note(points, place)
    this.state = {...this.state, points}
    this.message = ""
  }

  /**
   * Take the step W - step * gradient; false if it diverges. `engine` computes the losses before and after.
   * A step that is no longer `wanted` when they come is not taken.
   */
  async takeStep(engine, wanted = () => true) {
    const state = this.state, now = await engine.linearLosses(state)
    const W = state.W.map((row, c) => row.map((value, f) => value - state.step * now.gradient[c][f]))
    if (this.state !== state) return true // changed meanwhile: that change counts
    if (!W.flat().every((value) => Math.abs(value) <= CONFIG.largest)) {
      this.message = `The step size ${state.step} is far too large: the next weights would exceed ${CONFIG.largest}, so the step ` +
        "was not taken. Lower it, then randomise or reset."
      return false
    }
    const next = {...state, W}, after = await engine.linearLosses(next)
    if (this.state !== state || !wanted()) return true
    if (!this.curve.length) this.note(this.steps, now)
    this.state = next
    this.steps += 1
    this.note(this.steps, after)
    this.message = after.total > now.total
      ? `The loss rose from ${fourDigits(now.total)} to ${fourDigits(after.total)}: the step size ${state.step} is too large here.`
      : ""
    return true
  }

  note(step, {total, data}) {
    this.curve.push({step, total, data})
    if (this.curve.length > CURVE) this.curve = this.curve.filter((_, i) => i % 2 === 0)
  }

  /** Sentences about an unusual state. */
  notes() {
    const {W, points} = this.state, notes = [this.message], classes = new Set(points.codes)
    if (W.flat().every((value) => value === 0)) {
      notes.push("W and b are 0, so every score is 0 and the whole plane is a tie (white).")
    }
    if (classes.size === 1) notes.push(`All points have the same class (${CLASS_NAMES[points.codes[0]]}).`)
    if (haveTwins(points)) notes.push("Some points have the same position.")
    return notes
  }
}

function fourDigits(value) {
  return String(Number(value.toPrecision(4)))
}

/** Where the score of a class is 0: [class, two ends, arrow from, arrow to] in units, for lines that cross the plane. */
function zeroLines(W) {
  const half = HALF / 100, found = []
  W.forEach(([w1, w2, b], c) => {
    const norm = Math.hypot(w1, w2)
    if (norm < 1e-9) return
    const up = [w1 / norm, w2 / norm], along = [-up[1], up[0]]
    const foot = [(-b / norm) * up[0], (-b / norm) * up[1]] // the point of the line nearest to the centre
    let [first, last] = [-Infinity, Infinity] // the part of the line inside the plane, as distances from the foot
    for (const f of [0, 1]) {
      if (Math.abs(along[f]) > 1e-12) {
        const ends = [(-half - foot[f]) / along[f], (half - foot[f]) / along[f]].sort((a, z) => a - z)
        first = Math.max(first, ends[0])
        last = Math.min(last, ends[1])
      } else if (Math.abs(foot[f]) > half) last = -Infinity
    }
    if (first >= last) return
    const on = (t) => [foot[0] + t * along[0], foot[1] + t * along[1]], middle = on((first + last) / 2)
    found.push([c, on(first), on(last), middle, [middle[0] + 0.6 * up[0], middle[1] + 0.6 * up[1]]])
  })
  return found
}

