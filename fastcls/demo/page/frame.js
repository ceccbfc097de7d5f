// What both pages have: heading, messages, light and dark, large type, ways to share the state; and when to compute.

/** Resolves at the next frame: all that happens until then is one request. */
function nextFrame() {
  return new Promise((done) => requestAnimationFrame(done))
}

/** Runs a task at the next frame after it was asked for; asked while it runs, it runs once more. */
class AtNextFrame {
  constructor(task) {
    this.task = task
    this.wanted = this.busy = false
  }

  ask() {
    this.wanted = true
    if (!this.busy) this.run()
  }

  async run() {
    this.busy = true
    try {
      while (this.wanted) {
        await nextFrame()
        this.wanted = false
        await this.task()
      }
    } finally {
      this.busy = false
    }
  }
}

class Frame {
  /** `told` has text(), the state as text, and look(), called when colours or sizes change. */
  constructor(hint, told) {
    this.told = told
    this.notes = element("p", {class: "notes", role: "status"})
    this.opening = ""
    const root = document.documentElement
    root.classList.toggle("embedded", window.parent !== window)
    this.dark = toggle("Dark", (on) => this.setTheme(on ? "dark" : "light"))
    const preferred = matchMedia("(prefers-color-scheme: dark)")
    preferred.addEventListener("change", () => this.setTheme(preferred.matches ? "dark" : "light"))
    this.setTheme(preferred.matches ? "dark" : "light")
    this.large = toggle("Large type", (on) => {
      root.classList.toggle("large", on)
      told.look()
    })
    const switches = element("div", {class: "switches"}, this.large, this.dark)
    this.header = element("header", {}, element("h1", {}, CONFIG.title), this.notes, switches, element("p", {class: "hint"}, hint))
    this.footer = this.makeFooter()
    if (window.parent !== window) this.tellHeight()
  }

  makeFooter() {
    const command = new Field("Command to show this state again", element("input", {type: "text", readonly: "", spellcheck: "false"}))
    this.command = command.control
    const copies = [button("Copy as command", (event) => this.copy(event.target, this.command.value), {class: "main"})]
    if (CONFIG.engine === "local") {
      const link = () => `${location.href.split("#")[0]}#${this.told.text()}`
      copies.push(button("Copy link", (event) => this.copy(event.target, link())))
    }
    copies.push(button("Save as page", () => this.save()))
    return element("footer", {}, element("div", {class: "buttons"}, ...copies), command.element)
  }

  setTheme(name) {
    document.documentElement.classList.toggle("dark", name === "dark")
    this.dark.setAttribute("aria-pressed", name === "dark")
    if (this.footer) this.told.look()
  }

  /** Show messages, and once those about the opening of the page. */
  say(notes) {
    const words = [this.opening, ...notes].filter((note) => note).join(" ")
    if (this.notes.textContent !== words) this.notes.textContent = words
    this.opening = ""
    this.command.value = `fastcls demo ${CONFIG.demo} --state '${this.told.text()}'`
  }

  /** An answer did not come. */
  fail(error) {
    this.notes.textContent = CONFIG.engine === "server"
      ? `The server does not answer (${error.message}): start it again with fastcls demo ${CONFIG.demo}, and reload the page.`
      : `This page has a fault: ${error.message}`
    throw error
  }

  async copy(pressed, text) {
    const label = pressed.textContent
    try {
      await navigator.clipboard.writeText(text)
      pressed.textContent = "Copied"
    } catch { // no permission, or a page without https
      this.command.value = text
      this.command.select()
      pressed.textContent = document.execCommand("copy") ? "Copied" : "Copy it from the field"
    }
    setTimeout(() => { pressed.textContent = label }, 1500)
  }

  /** This page as a file, with the present state, which then computes by itself. */
  save() {
    const config = JSON.stringify({...CONFIG, engine: "local", state: this.told.text()}).replaceAll("<", "\\u003c")
    const place = /(<script type="application\/json" id="config">)[^<]*/
    let text = PRISTINE.replace(place, (_, start) => start + config)
    if (CONFIG.engine === "server") text = text.replace("; connect-src 'self'", "") // in the policy, which is first
    const link = element("a", {download: `fastcls-${CONFIG.demo}.html`})
    link.href = URL.createObjectURL(new Blob([`<!DOCTYPE html>\n${text}\n`], {type: "text/html"}))
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  /** In a frame of another page: tell it how high this one is. */
  tellHeight() {
    new ResizeObserver(() => {
      window.parent.postMessage({fastclsHeight: Math.ceil(document.body.getBoundingClientRect().height)}, "*")
    }).observe(document.body)
  }
}

