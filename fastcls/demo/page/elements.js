// Elements of the page. Texts become text nodes, so nothing that is shown can be read as HTML.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

let fieldsMade = 0

/** A control with its label above, and for sliders its value beside the label. */
class Field {
  constructor(label, control, output = null) {
    control.id = `field${++fieldsMade}`
    this.control = control
    this.output = output
    const name = element("label", {for: control.id}, label)
    this.element = element("div", {class: "field"}, element("div", {class: "name"}, name, ...(output ? [output] : [])), control)
  }
}

/** A slider; `told(value)` is called while it moves. `shown` turns a value into words. */
class Slider extends Field {
  constructor(label, [least, most], step, told, shown = String) {
    super(label, element("input", {type: "range", min: least, max: most, step}), element("output"))
    this.shown = shown
    this.control.addEventListener("input", () => {
      this.say(this.shown(this.value))
      told(this.value)
    })
  }

  get value() { return Number(this.control.value) }

  set value(value) { this.show(value, this.shown(value)) }

  show(value, words) {
    this.control.value = value
    this.say(words)
  }

  say(words) {
    this.output.textContent = words
    this.control.setAttribute("aria-valuetext", words)
  }
}

/** A choice of one name; `wide` gives it a row of its own. */
class Choice extends Field {
  constructor(label, options, told, wide = false) {
    const made = Object.entries(options).map(([value, words]) => element("option", {value}, words))
    super(label, element("select", {}, ...made))
    this.element.classList.toggle("wide", wide)
    this.control.addEventListener("change", () => told(this.control.value))
  }

  set value(value) { this.control.value = value }
}

/** A number; `told(value)` is called when it is entered. Without a number, the old one comes back. */
class NumberBox extends Field {
  constructor(label, {least, most, step, digits = 0}, told) {
    super(label, element("input", {type: "number", min: least, max: most, step, inputmode: "decimal"}))
    this.digits = digits
    this.control.addEventListener("change", () => {
      const value = this.control.value === "" ? NaN : Number(this.control.value)
      if (Number.isFinite(value)) told(value)
      else this.value = this.last
    })
  }

  set value(value) {
    this.last = value
    this.control.value = value.toFixed(this.digits)
  }
}

function button(label, told, attributes = {}) {
  const made = element("button", {type: "button", ...attributes}, label)
  made.addEventListener("click", told)
  return made
}

/** A button that stays pressed; `told(isOn)`. */
function toggle(label, told, isOn = false) {
  const made = button(label, () => {
    const on = made.getAttribute("aria-pressed") !== "true"
    made.setAttribute("aria-pressed", on)
    told(on)
  })
  made.setAttribute("aria-pressed", isOn)
  return made
}

/** Six digits, without zeros at the end. */
function sixDigits(value) {
  return String(Number(value.toPrecision(6)))
}

function counted(n, one) {
  return `${n} ${n === 1 ? one : one + "s"}`
}

