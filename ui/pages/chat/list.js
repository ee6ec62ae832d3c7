element.addEventListener("named", (event) => trigger(event.detail.naming, event.detail));
element.addEventListener("opened", (event) => trigger("open", event.detail));
// A list for other words than stand in the box, as after an answer, is asked for once more.
let asked = null;
new MutationObserver(() => {
  const found = element.querySelector("[data-searched]")?.dataset.searched;
  const wanted = document.querySelector("#chat-search :is(input, textarea)")?.value;
  if (found === undefined || wanted === undefined) return;
  if (found !== wanted && asked !== wanted) trigger("search", {});
  asked = found === wanted ? null : wanted;
}).observe(element, {childList: true, subtree: true});
