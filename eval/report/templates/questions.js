"use strict";
// Sorts and filters the questions. It reads numbers and codes only, and writes no HTML.
(() => {
  const list = document.getElementById("question-list");
  const tools = document.querySelector(".tools");
  if (!list || !tools) return;
  document.documentElement.classList.add("js");
  const USABLE = "0"; // its place among the outcomes
  const items = [...list.children].map((element, place) => ({
    element,
    place,
    facets: new Set(element.dataset.facets.split(" ")),
    scores: element.dataset.scores.split(" ").map((text) => (text === "-" ? null : Number(text))),
    outcomes: element.dataset.outcomes.split(" "),
    failures: element.dataset.failures.split(" "),
    before: element.dataset.before,
    text: null,
  }));
  const control = (name) => tools.querySelector(`[name=${name}]`);
  const judged = Number(list.dataset.judged);

  const compared = (item, choice) => {
    if (!choice) return true;
    const [relation, other] = choice.split(" ");
    if (other === undefined) return item.before === relation;
    const [ours, theirs] = [item.scores[judged], item.scores[other]];
    const [oursUsable, theirsUsable] = [item.outcomes[judged] === USABLE, item.outcomes[other] === USABLE];
    switch (relation) {
      case "better": return ours !== null && theirs !== null && ours > theirs;
      case "worse": return ours !== null && theirs !== null && ours < theirs;
      case "won": return oursUsable && !theirsUsable;
      default: return !oursUsable && theirsUsable;
    }
  };
  const contains = (item, words) => {
    if (!words) return true;
    item.text ??= item.element.textContent.toLowerCase();
    return item.text.includes(words);
  };
  const ended = (item, choice) => {
    if (!choice) return true;
    const [facet, place] = choice.split(" ");
    return item[facet][judged] === place;
  };

  const filter = () => {
    const words = control("words").value.trim().toLowerCase();
    const codes = [...tools.querySelectorAll("[data-facet]")].map((one) => one.value).filter(Boolean);
    let count = 0;
    for (const item of items) {
      const stays = codes.every((code) => item.facets.has(code)) && ended(item, control("outcome").value)
        && compared(item, control("comparison").value) && contains(item, words);
      item.element.hidden = !stays;
      count += stays ? 1 : 0;
    }
    document.getElementById("question-count").textContent = `${count} of ${items.length}`;
  };

  const sort = () => {
    const [kind, system] = control("order").value.split(" ");
    const key = (item) => {
      if (kind === "place") return item.place;
      const value = item.scores[system];
      return value === null ? Infinity : kind === "lowest" ? value : -value;
    };
    const ordered = [...items].sort((one, other) => key(one) - key(other) || one.place - other.place);
    list.append(...ordered.map((item) => item.element));
  };

  // A citation, or a link from elsewhere, leads into a question that is closed.
  const open = () => {
    const target = document.getElementById(location.hash.slice(1));
    const question = target && target.closest(".question");
    if (!question) return;
    question.hidden = false;
    question.open = true;
    target.scrollIntoView();
  };

  tools.addEventListener("input", (event) => (event.target.name === "order" ? sort() : filter()));
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("reset", () => setTimeout(() => { sort(); filter(); }));
  window.addEventListener("hashchange", open);
  filter();
  open();
})();
