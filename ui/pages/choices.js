element.dataset.choices = "";  // by it, an address finds the list of a page
let chosen = null;
const mark = () => {
  if (chosen === null) return;
  for (const one of element.querySelectorAll("[data-do=choose]")) {
    one.setAttribute("aria-pressed", one.dataset.choice === chosen);
  }
};
new MutationObserver(mark).observe(element, {childList: true, subtree: true});  // a list that was brought up to date
const choose = (choice) => {
  chosen = choice;
  mark();
  const side = element.closest(".columns")?.lastElementChild;
  if (!side || innerWidth > 800) return;
  // On a phone what is opened stands below the list.
  const changes = new MutationObserver(() => side.scrollIntoView({block: "start"}));
  changes.observe(side, {childList: true, subtree: true});
  setTimeout(() => changes.disconnect(), 1500);  // it comes in parts
};
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do=choose]");
  if (button) choose(button.dataset.choice);
});
element.addEventListener("left", () => {
  chosen = "";
  mark();
});
element.addEventListener("chosen", (event) => {
  choose(event.detail);
  trigger("choose", {do: "choose", choice: event.detail});
});
