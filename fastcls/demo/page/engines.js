// Who computes: this page, or the server that it came from. Both give the same answers, pixel by pixel.

function metricsOf(state) {
  return state.metric === "both" ? ["l1", "l2"] : [state.metric]
}

function forMetrics(state, answer) {
  return Object.fromEntries(metricsOf(state).map((metric) => [metric, answer(metric)]))
}

/** Computes here. `work` counts pictures, tiles that were drawn again, and distances. */
class LocalEngine {
  constructor() {
    this.pictures = {l1: new KnnPicture("l1"), l2: new KnnPicture("l2")}
    this.work = {pictures: 0, tiles: 0, pairs: 0}
  }

  async knnPictures(state) {
    return forMetrics(state, (metric) => {
      const picture = this.pictures[metric], classes = picture.draw(state)
      this.work.pictures++
      this.work.tiles += picture.tiles
      this.work.pairs += picture.pairs
      return classes
    })
  }

  async knnVotes(state, x, y) { return forMetrics(state, (metric) => knnVote(state, metric, x, y)) }

  async knnAccuracies(state) { return forMetrics(state, (metric) => knnAccuracies(state, metric)) }

  async linearPicture(state) {
    this.work.pictures++
    return linearPicture(state)
  }

  async linearLosses(state) { return linearLosses(state) }
}

/** Posts the text of the state to the server, which answers from the compiled core. */
class ServerEngine {
  async ask(what, text) {
    const answer = await fetch(what, {method: "POST", body: text, headers: {"Content-Type": "text/plain"}})
    if (!answer.ok) throw new Error(await answer.text())
    return answer
  }

  async knnPictures(state) {
    const bytes = new Uint8Array(await (await this.ask("pictures", writeKnn(state))).arrayBuffer())
    const size = PIXELS * PIXELS
    return Object.fromEntries(metricsOf(state).map((metric, i) => [metric, bytes.subarray(i * size, (i + 1) * size)]))
  }

  async knnVotes(state, x, y) { return (await this.ask(`votes?x=${x}&y=${y}`, writeKnn(state))).json() }

  async knnAccuracies(state) { return (await this.ask("accuracies", writeKnn(state))).json() }

  async linearPicture(state) {
    return new Uint8Array(await (await this.ask("pictures", writeLinear(state))).arrayBuffer())
  }

  async linearLosses(state) { return (await this.ask("losses", writeLinear(state))).json() }
}

