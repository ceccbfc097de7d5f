// Points and weights from a seed, the lecture's hard cases among them, and the points that were moved by hand.

/** Uniform numbers in [0, 1): mulberry32, a generator of 32 bits of state. */
function uniforms(seed) {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Normal numbers by Box and Muller. */
function normal(next) {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
}

function inPlane(value) {
  return Math.max(-HALF, Math.min(HALF, Math.round(value)))
}

/** Centre and deviation of the random clusters: those of the linear demo are farther apart. */
const [CLUSTER_AT, CLUSTER_SD] = CONFIG.demo === "knn" ? [130, 70] : [150, 45]
const MODES = [[-150, 150], [150, 100], [-50, -150]]

/** A point is [x, y, class], in hundredths; the first n points of a seed do not depend on n. */
const DRAWS = {
  random(next, i, classes, turn) {
    const code = i % classes, angle = 2 * Math.PI * (code / classes + turn)
    return [CLUSTER_AT * Math.cos(angle) + CLUSTER_SD * normal(next), CLUSTER_AT * Math.sin(angle) + CLUSTER_SD * normal(next), code]
  },
  // two pixels, black or white: four positions, with many images at each
  parity(next) {
    const [first, second] = [next() < 0.5, next() < 0.5]
    return [(first ? 150 : -150) + 55 * normal(next), (second ? 150 : -150) + 55 * normal(next), first === second ? 0 : 1]
  },
  ring(next) {
    const [x, y] = anywhere(next), norm = Math.hypot(x, y)
    return [x, y, norm >= 100 && norm <= 200 ? 1 : 0]
  },
  three_modes(next) {
    const [x, y] = anywhere(next)
    return [x, y, MODES.some(([a, b]) => Math.hypot(x - a, y - b) <= 80) ? 1 : 0]
  },
}

function anywhere(next) {
  return [inPlane(2 * HALF * (next() - 0.5)), inPlane(2 * HALF * (next() - 0.5))]
}

function drawPoints(preset, n, classes, seed) {
  // Two points of two classes: with K = 2 every vote is one to one. With K = 1 the tie is the line between them, and no pixel
  // centre is on it.
  if (preset === "tie") return {x: Int32Array.of(-100, 100), y: Int32Array.of(0, 0), codes: Uint8Array.of(0, 1)}
  const next = uniforms(seed), turn = next()
  const rows = Array.from({length: n}, (_, i) => DRAWS[preset](next, i, classes, turn))
  return {
    x: Int32Array.from(rows, (row) => inPlane(row[0])),
    y: Int32Array.from(rows, (row) => inPlane(row[1])),
    codes: Uint8Array.from(rows, (row) => row[2]),
  }
}

function drawWeights(classes, seed) {
  const next = uniforms(seed + 1)
  return Array.from({length: classes}, () => [0, 0, 0].map(() => Math.round(1000 * normal(next)) / 1000))
}

/** The points with one of them moved to (x, y), rounded and clipped to the plane; the same object if nothing moves. */
function withMoved(points, place, x, y) {
  if (!(place >= 0 && place < points.x.length) || !Number.isFinite(x) || !Number.isFinite(y)) return points
  const moved = {x: points.x.slice(), y: points.y.slice(), codes: points.codes}
  moved.x[place] = inPlane(x)
  moved.y[place] = inPlane(y)
  return moved
}

/** Points moved by hand: they stay when the others are drawn again, in another number or with other classes. */
class Moved {
  constructor() { this.places = new Map() }

  note(points, place) { this.places.set(place, [points.x[place], points.y[place], points.codes[place]]) }

  /** Remember those of a text's points that differ from what its preset and seed draw. */
  compare(points, drawn) {
    for (let i = 0; i < points.x.length; i++) {
      if (points.x[i] !== drawn.x[i] || points.y[i] !== drawn.y[i] || points.codes[i] !== drawn.codes[i]) this.note(points, i)
    }
  }

  /** Put the moved points into their places; a class that does not exist any more is not kept. */
  put(points, classes) {
    for (const [place, [x, y, code]] of this.places) {
      if (place >= points.x.length) continue
      points.x[place] = x
      points.y[place] = y
      if (code < classes) points.codes[place] = code
    }
    return points
  }
}

