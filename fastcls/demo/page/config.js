// What Python wrote into the page: the demo, its state, its limits and names.

/** The page as it came, before the script adds to it: 'Save as page' writes it again with another state. */
const PRISTINE = document.documentElement.outerHTML
const CONFIG = JSON.parse(document.getElementById("config").textContent)
const {half: HALF, pixels: PIXELS, classNames: CLASS_NAMES} = CONFIG

