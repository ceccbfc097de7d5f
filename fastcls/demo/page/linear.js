// The linear demo's arithmetic: scores, the class of every pixel, losses and their gradient.

/** Added as the library adds it: both products first, then b. */
const scoreOf = ([w1, w2, b], x, y) => x * w1 + y * w2 + b

/** The class of the highest score of every pixel, the number of classes for a tie; the lowest row first. */
function linearPicture({W}) {
  const classes = new Uint8Array(PIXELS * PIXELS)
  for (let row = 0; row < PIXELS; row++) {
    const y = centreOf(row) / 100
    for (let column = 0; column < PIXELS; column++) {
      const x = centreOf(column) / 100
      let best = 0, highest = scoreOf(W[0], x, y), tied = false
      for (let c = 1; c < W.length; c++) {
        const score = scoreOf(W[c], x, y)
        if (score > highest) [best, highest, tied] = [c, score, false]
        else if (score === highest) tied = true
      }
      classes[row * PIXELS + column] = tied ? W.length : best
    }
  }
  return classes
}

/** The loss of a point with these scores, and its derivative by each score. At a kink the derivative is that of the lower side. */
const LOSSES = {
  hinge(scores, label) {
    const excess = scores.map((score, c) => (c === label ? 0 : Math.max(0, score - scores[label] + 1)))
    const slopes = excess.map((value) => (value > 0 ? 1 : 0))
    slopes[label] = -sumOf(slopes)
    return {loss: sumOf(excess), slopes}
  },
  one_vs_all(scores, label) {
    const signs = scores.map((_, c) => (c === label ? -1 : 1))
    const excess = scores.map((score, c) => Math.max(0, 1 + signs[c] * score))
    return {loss: sumOf(excess), slopes: excess.map((value, c) => (value > 0 ? signs[c] : 0))}
  },
  crammer_singer(scores, label) {
    let rival = label === 0 ? 1 : 0
    scores.forEach((score, c) => { if (c !== label && score > scores[rival]) rival = c })
    const loss = Math.max(0, scores[rival] - scores[label] + 1), slopes = scores.map(() => 0)
    if (loss > 0) [slopes[rival], slopes[label]] = [1, -1]
    return {loss, slopes}
  },
  softmax(scores, label) {
    const shares = softmaxOf(scores)
    const slopes = shares.slice()
    slopes[label] = -sumOf(shares.filter((_, c) => c !== label))
    const top = scores.indexOf(Math.max(...scores))
    const below = sumOf(scores.map((score, c) => (c === top ? 0 : Math.exp(score - scores[top]))))
    return {loss: Math.log1p(below) + scores[top] - scores[label], slopes}
  },
}

function sumOf(values) {
  return values.reduce((sum, value) => sum + value, 0)
}

function softmaxOf(scores) {
  const top = Math.max(...scores), powers = scores.map((score) => Math.exp(score - top)), total = sumOf(powers)
  return powers.map((power) => power / total)
}

/** Scores, losses and gradient at W: the mean loss of the points, plus alpha times the sum of W squared, without b. */
function linearLosses({W, points, loss, alpha}) {
  const n = points.x.length, gradient = W.map(() => [0, 0, 0]), scores = [], each = []
  for (let i = 0; i < n; i++) {
    const x = points.x[i] / 100, y = points.y[i] / 100
    const mine = W.map((weights) => scoreOf(weights, x, y)), found = LOSSES[loss](mine, points.codes[i])
    scores.push(mine)
    each.push(found.loss)
    found.slopes.forEach((slope, c) => [x, y, 1].forEach((feature, f) => { gradient[c][f] += (slope * feature) / n }))
  }
  W.forEach((weights, c) => [0, 1].forEach((f) => { gradient[c][f] += 2 * alpha * weights[f] }))
  const data = sumOf(each) / n, penalty = alpha * sumOf(W.map(([w1, w2]) => w1 * w1 + w2 * w2))
  return {scores, each, data, penalty, total: data + penalty, gradient}
}

