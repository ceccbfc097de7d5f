// States as text, name=value&..., as _text.py reads and writes it. Points are {x, y, codes}: whole hundredths, class codes.

/** A text that is no state. Its message says what was wanted, and repeats nothing of the text. */
class BadState extends Error {}

function fieldsOf(text, names) {
  if (text.length > 20000) throw new BadState("it is too long")
  const found = {}
  for (const part of text.split("&").filter((part) => part)) {
    const at = part.indexOf("="), name = part.slice(0, at)
    if (at >= 0 && Object.hasOwn(found, name)) throw new BadState(`${name} is given twice`)
    if (at < 0 || !names.includes(name)) throw new BadState(`a part of it is not name=value with a name from ${names.join(", ")}`)
    found[name] = part.slice(at + 1)
  }
  return found
}

function oneOf(name, value, good) {
  if (!Object.hasOwn(good, value)) throw new BadState(`${name}: wanted one of ${Object.keys(good).join(", ")}`)
  return value
}

function whole(name, value, [least, most]) {
  if (!/^[+-]?\d{1,15}$/.test(value) || Number(value) < least || Number(value) > most) {
    throw new BadState(`${name}: wanted a whole number from ${least} to ${most}`)
  }
  return Number(value)
}

function real(name, value, [least, most]) {
  const number = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : NaN
  if (!(number >= least && number <= most)) throw new BadState(`${name}: wanted a number from ${least} to ${most}`)
  return number
}

function readPoints(value, classes) {
  const rows = value.split(";").map((part) => part.split(",")), most = CONFIG.points[1]
  if (rows.length > most || rows.some((row) => row.length !== 3)) throw new BadState(`points: wanted 1 to ${most}, x,y,class;...`)
  return {
    x: Int32Array.from(rows, (row) => whole("x of a point", row[0], [-HALF, HALF])),
    y: Int32Array.from(rows, (row) => whole("y of a point", row[1], [-HALF, HALF])),
    codes: Uint8Array.from(rows, (row) => whole("class of a point", row[2], [0, classes - 1])),
  }
}

function writePoints({x, y, codes}) {
  return Array.from(x, (at, i) => `${at},${y[i]},${codes[i]}`).join(";")
}

/** What the states of both demos have: preset, classes, seed and points, which are drawn if they are not given. */
function readCommon(given, n) {
  const preset = oneOf("preset", given.preset ?? "random", CONFIG.presets)
  const classes = whole("classes", given.classes ?? (preset === "random" ? "3" : "2"), CONFIG.classes)
  const seed = whole("seed", given.seed ?? "0", CONFIG.seeds)
  if (given.points === undefined && preset !== "random" && classes !== 2) {
    throw new BadState(`classes: wanted 2, as preset=${preset} draws points of 2 classes`)
  }
  const points = given.points === undefined ? drawPoints(preset, n ?? 4 * classes, classes, seed) : readPoints(given.points, classes)
  return {preset, classes, seed, points}
}

const KNN_FIELDS = ["metric", "k", "classes", "weights", "preset", "seed", "points"]

function readKnn(text) {
  const given = fieldsOf(text, KNN_FIELDS)
  return {
    ...readCommon(given, 60),
    metric: oneOf("metric", given.metric ?? "l2", CONFIG.metrics),
    k: whole("k", given.k ?? "5", CONFIG.k),
    weights: oneOf("weights", given.weights ?? "uniform", CONFIG.weights),
  }
}

function writeKnn(state) {
  const value = (name) => (name === "points" ? writePoints(state.points) : state[name])
  return KNN_FIELDS.map((name) => `${name}=${value(name)}`).join("&")
}

const LINEAR_FIELDS = ["loss", "alpha", "step", "classes", "preset", "seed", "W", "points"]

/** W is an array of (w1, w2, b), one for each class. */
function readLinear(text) {
  const given = fieldsOf(text, LINEAR_FIELDS)
  const common = readCommon(given, given.preset === undefined || given.preset === "random" ? null : 40)
  let W = drawWeights(common.classes, common.seed)
  if (given.W !== undefined) {
    const numbers = given.W.split(",").map((number) => real("W", number, [-CONFIG.largest, CONFIG.largest]))
    if (numbers.length !== 3 * common.classes) throw new BadState(`W: wanted ${3 * common.classes} numbers, w1, w2 and b of every class`)
    W = W.map((_, c) => numbers.slice(3 * c, 3 * c + 3))
  }
  return {
    ...common,
    loss: oneOf("loss", given.loss ?? "hinge", CONFIG.losses),
    alpha: real("alpha", given.alpha ?? "0.1", CONFIG.alpha),
    step: real("step", given.step ?? "0.1", CONFIG.step),
    W,
  }
}

function writeLinear(state) {
  const value = (name) => (name === "points" ? writePoints(state.points) : name === "W" ? state.W.flat().join(",") : state[name])
  return LINEAR_FIELDS.map((name) => `${name}=${value(name)}`).join("&")
}

