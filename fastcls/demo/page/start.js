// The page begins: with the state in its address, or with the one it was written with.

const [read, View] = {knn: [readKnn, KnnView], linear: [readLinear, LinearView]}[CONFIG.demo]

/** The state after # in the address; null without one, or if it is not valid; then what is wrong with it. */
function stateInAddress() {
  const text = location.hash.slice(1)
  if (!text) return {state: null, wrong: ""}
  try {
    return {state: read(decodeURIComponent(text)), wrong: ""}
  } catch (error) { // the page does not repeat the text, which is in the address bar
    return {state: null, wrong: error instanceof BadState ? error.message : "its % codes cannot be decoded"}
  }
}

const given = stateInAddress()
const engine = CONFIG.engine === "server" ? new ServerEngine() : new LocalEngine()
const view = new View(given.state ?? read(CONFIG.state), engine)
function openAddress({state, wrong}) {
  view.frame.opening = wrong && `The state in this page's address is not valid (${wrong}); this is the initial state.`
  view.open(state ?? read(CONFIG.state))
}
if (given.wrong) openAddress(given)
window.addEventListener("hashchange", () => openAddress(stateInAddress()))
/** For scripts of a page that holds this one, and for its tests. */
window.fastcls = {view, engine, read, palette}
