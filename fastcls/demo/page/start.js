// The page begins: with the state in its address, or with the one it was written with.

const [read, View] = {knn: [readKnn, KnnView], linear: [readLinear, LinearView]}[CONFIG.demo]

/** The state after # in the address; null without one, or if it is not valid. */
function stateInAddress() {
  const text = location.hash.slice(1)
  if (!text) return {state: null, isValid: true}
  try {
    return {state: read(decodeURIComponent(text)), isValid: true}
  } catch { // the page does not repeat the text, which is in the address bar
    return {state: null, isValid: false}
  }
}

const given = stateInAddress()
const engine = CONFIG.engine === "server" ? new ServerEngine() : new LocalEngine()
const view = new View(given.state ?? read(CONFIG.state), engine)
const notValid = "The state in this page's address is not valid; this is the initial state."
function openAddress({state, isValid}) {
  view.frame.opening = isValid ? "" : notValid
  view.open(state ?? read(CONFIG.state))
}
if (!given.isValid) openAddress(given)
window.addEventListener("hashchange", () => openAddress(stateInAddress()))
/** For scripts of a page that holds this one, and for its tests. */
window.fastcls = {view, engine, read, palette}
