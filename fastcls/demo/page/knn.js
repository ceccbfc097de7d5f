// The k-NN demo's arithmetic: neighbours by (distance, number), votes and ties as in fastcls, on whole hundredths.

const TILE = 10, TILES = PIXELS / TILE, STEP = (2 * HALF) / PIXELS
/** Coordinate of the centre of a pixel, from the left or from below. */
const centreOf = (pixel) => -HALF + STEP / 2 + STEP * pixel

/** What orders neighbours: the sum for L1, the square for L2. Both are exact. */
const SUMS = {l1: (dx, dy) => Math.abs(dx) + Math.abs(dy), l2: (dx, dy) => dx * dx + dy * dy}
const DISTANCES = {l1: (S) => S / 100, l2: (S) => Math.sqrt(S) / 100}

/** The k nearest of some points, nearest first; of equal distances, the smaller number is first. */
class Nearest {
  constructor(most) {
    this.S = new Float64Array(most)
    this.index = new Int32Array(most)
    this.count = 0
  }

  offer(value, number, k) {
    const {S, index} = this
    let at = this.count
    if (at < k) this.count++
    else if (value < S[k - 1] || (value === S[k - 1] && number < index[k - 1])) at = k - 1
    else return
    for (; at > 0 && (S[at - 1] > value || (S[at - 1] === value && index[at - 1] > number)); at--) {
      S[at] = S[at - 1]
      index[at] = index[at - 1]
    }
    S[at] = value
    index[at] = number
  }
}

const {temperature: TEMPERATURE} = CONFIG
/** The weight of a neighbour's vote, from its distance and that of the nearest. */
const WEIGHTS = {
  uniform: () => 1,
  distance: (distance, nearest) => (nearest === 0 ? (distance === 0 ? 1 : 0) : 1 / distance),
  softmax: (distance, nearest) => Math.exp((nearest - distance) / TEMPERATURE),
}

/** Add the votes of the neighbours from `first` on, up to `last`. */
function addVotes(near, codes, first, last, rule, distanceOf, totals) {
  if (rule === "uniform") {
    for (let i = first; i < last; i++) totals[codes[near.index[i]]] += 1
    return
  }
  const weightOf = WEIGHTS[rule], nearest = distanceOf(near.S[0])
  for (let i = first; i < last; i++) totals[codes[near.index[i]]] += weightOf(distanceOf(near.S[i]), nearest)
}

/** The class of the largest total, the smallest one of several; and whether there are several. */
function winnerOf(totals) {
  let winner = 0, tied = false
  for (let c = 1; c < totals.length; c++) {
    if (totals[c] > totals[winner]) [winner, tied] = [c, false]
    else if (totals[c] === totals[winner]) tied = true
  }
  return {winner, tied}
}

function votersOf(state) {
  return Math.min(state.k, state.points.x.length)
}

/** The vote at (x, y). */
function knnVote(state, metric, x, y) {
  const k = votersOf(state), near = new Nearest(k), {points} = state
  for (let i = 0; i < points.x.length; i++) near.offer(SUMS[metric](points.x[i] - x, points.y[i] - y), i, k)
  const totals = new Float64Array(state.classes)
  addVotes(near, points.codes, 0, k, state.weights, DISTANCES[metric], totals)
  return {neighbors: Array.from(near.index), totals: Array.from(totals), ...winnerOf(totals)}
}

/** Leave-one-out accuracy for K = 1, 2, ..., as far as there are neighbours; a tie goes to the smaller class. */
function knnAccuracies(state, metric) {
  const {x, y, codes} = state.points, n = x.length, most = Math.min(CONFIG.k[1], n - 1)
  const right = new Array(most).fill(0), near = new Nearest(most), totals = new Float64Array(state.classes)
  for (let i = 0; i < n && most > 0; i++) {
    near.count = 0
    for (let j = 0; j < n; j++) if (j !== i) near.offer(SUMS[metric](x[j] - x[i], y[j] - y[i]), j, most)
    totals.fill(0)
    for (let k = 0; k < most; k++) {
      addVotes(near, codes, k, k + 1, state.weights, DISTANCES[metric], totals)
      if (winnerOf(totals).winner === codes[i]) right[k]++
    }
  }
  return right.map((count) => count / n)
}

/**
 * The class of every pixel, the number of classes for a tie; the lowest row first.
 *
 * A tile of pixels looks only at its candidates. A point is none if its least distance to the tile is above the k-th smallest
 * of all points' greatest distances, the tile's reach: then k points are nearer to every pixel. If the only change is that a
 * point moves, and it was and is no candidate of a tile, that tile stays.
 */
class KnnPicture {
  constructor(metric) {
    const most = CONFIG.k?.[1] ?? 1, n = CONFIG.points[1]
    this.metric = metric
    this.isL1 = metric === "l1"
    this.sum = SUMS[metric]
    this.classes = new Uint8Array(PIXELS * PIXELS)
    this.reach = new Float64Array(TILES * TILES)
    this.farthest = new Nearest(most)
    this.near = new Nearest(most)
    this.totals = new Float64Array(CLASS_NAMES.length)
    /** candidates of a tile: numbers and coordinates */
    this.numbers = new Int32Array(n)
    this.x = new Int32Array(n)
    this.y = new Int32Array(n)
    this.last = null
    /** work of the last picture */
    this.tiles = this.pairs = 0
  }

  draw(state) {
    const moved = this.movedSince(state)
    this.last = null
    this.tiles = this.pairs = 0
    for (let row = 0; row < TILES; row++) {
      for (let column = 0; column < TILES; column++) {
        if (moved === null || moved.some(([x, y]) => this.leastTo(x, y, column, row) <= this.reach[row * TILES + column])) {
          this.tile(state, column, row)
        }
      }
    }
    this.last = state
    return this.classes
  }

  /** Old and new positions of what moved since the last picture; null if anything else changed, or too much. */
  movedSince(state) {
    const last = this.last, {x, y} = state.points
    const same = ["classes", "k", "weights"].every((name) => last !== null && last[name] === state[name])
    if (!same || x.length !== last.points.x.length || last.points.codes.some((code, i) => code !== state.points.codes[i])) return null
    const found = []
    for (let i = 0; i < x.length; i++) {
      const [oldX, oldY] = [last.points.x[i], last.points.y[i]]
      if (x[i] !== oldX || y[i] !== oldY) found.push([oldX, oldY], [x[i], y[i]])
    }
    return found.length > 8 ? null : found
  }

  /** The least distance of a point to the pixels of a tile. */
  leastTo(x, y, column, row) {
    const left = centreOf(column * TILE), right = left + STEP * (TILE - 1)
    const low = centreOf(row * TILE), high = low + STEP * (TILE - 1)
    return this.sum(Math.max(left - x, 0, x - right), Math.max(low - y, 0, y - high))
  }

  tile(state, column, row) {
    const {sum, farthest, classes} = this, {x, y, codes} = state.points, n = x.length, k = votersOf(state)
    const left = centreOf(column * TILE), right = left + STEP * (TILE - 1)
    const low = centreOf(row * TILE), high = low + STEP * (TILE - 1)
    farthest.count = 0
    for (let i = 0; i < n; i++) {
      farthest.offer(sum(Math.max(x[i] - left, right - x[i]), Math.max(y[i] - low, high - y[i])), i, k)
    }
    const reach = farthest.S[k - 1]
    this.reach[row * TILES + column] = reach
    const candidates = []
    for (let i = 0; i < n; i++) if (this.leastTo(x[i], y[i], column, row) <= reach) candidates.push(i)
    // the nearest to the middle first: then few of the others displace any
    const middle = candidates.map((i) => sum(x[i] - (left + right) / 2, y[i] - (low + high) / 2))
    const order = candidates.map((_, j) => j).sort((a, b) => middle[a] - middle[b])
    order.forEach((from, j) => {
      const i = candidates[from]
      this.numbers[j] = i
      this.x[j] = x[i]
      this.y[j] = y[i]
    })
    this.tiles++
    this.pairs += 2 * n + candidates.length * TILE * TILE
    const isCounted = state.weights === "uniform", {near, totals} = this, nClasses = state.classes
    for (let r = row * TILE; r < (row + 1) * TILE; r++) {
      for (let c = column * TILE; c < (column + 1) * TILE; c++) {
        this.gather(centreOf(c), centreOf(r), candidates.length, k)
        const first = codes[near.index[0]]
        let same = 1
        while (same < k && codes[near.index[same]] === first) same++
        if (same === k) { // whatever the weights
          classes[r * PIXELS + c] = first
          continue
        }
        for (let code = 0; code < nClasses; code++) totals[code] = 0
        if (isCounted) for (let i = 0; i < k; i++) totals[codes[near.index[i]]] += 1
        else addVotes(near, codes, 0, k, state.weights, DISTANCES[this.metric], totals)
        let winner = 0, isTied = false
        for (let code = 1; code < nClasses; code++) {
          if (totals[code] > totals[winner]) {
            winner = code
            isTied = false
          } else if (totals[code] === totals[winner]) isTied = true
        }
        classes[r * PIXELS + c] = isTied ? nClasses : winner
      }
    }
  }

  /** Find the k nearest of the first `count` candidates to a pixel: `Nearest.offer`, written out for speed. */
  gather(px, py, count, k) {
    const {isL1, x, y, numbers} = this, {S, index} = this.near
    let found = 0, worst = Infinity, last = 0
    for (let j = 0; j < count; j++) {
      const dx = x[j] - px, dy = y[j] - py
      const value = isL1 ? Math.abs(dx) + Math.abs(dy) : dx * dx + dy * dy
      if (value > worst) continue
      const number = numbers[j]
      if (value === worst && number > last) continue
      let at = found < k ? found++ : k - 1
      for (; at > 0 && (S[at - 1] > value || (S[at - 1] === value && index[at - 1] > number)); at--) {
        S[at] = S[at - 1]
        index[at] = index[at - 1]
      }
      S[at] = value
      index[at] = number
      if (found === k) {
        worst = S[k - 1]
        last = index[k - 1]
      }
    }
  }
}

