// A demo in a frame tells its height: no frame scrolls by itself.
addEventListener("message", (event) => {
  for (const frame of document.querySelectorAll("iframe.demo")) {
    if (frame.contentWindow === event.source && event.data.fastclsHeight > 0) frame.style.height = `${event.data.fastclsHeight}px`
  }
})
