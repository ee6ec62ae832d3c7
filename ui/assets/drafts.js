"use strict";
// What someone has typed stays: a correction under an answer while others come in, a question over a reload, in the
// other language, and when its answer never came to its end.

(() => {
  const KEY = "assistant-draft";
  const box = () => document.querySelector("#chat-question textarea");

  let isKept = true;
  const unanswered = () => document.querySelector("#chat-now:has(.is-coming) .question")?.textContent.trim() ?? "";
  addEventListener("pagehide", () => isKept && sessionStorage.setItem(KEY, box()?.value || unanswered()));
  document.addEventListener("submit", (event) => {
    if (event.target.matches(".tools form")) isKept = false;  // who signs in next is someone else
  });
  document.addEventListener("click", (event) => {
    const language = event.target.closest("a[hreflang]");
    if (language) language.hash = location.hash;
  });
  const draft = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  if (draft) {
    window.assistant.when(box, (field) => {
      field.value = draft;
      field.dispatchEvent(new Event("input", {bubbles: true}));
    });
  }

  // The fields of each form of a turn that someone has changed; the page is sent a new form with every new answer.
  const changed = new Map(), filled = new WeakSet();
  const fill = (form, values) => {
    const has = (field) => values.some(([name, value]) => name === field.name && value === field.value);
    for (const field of form.querySelectorAll("[name]")) {
      if (field.matches("[type=checkbox], [type=radio]")) field.checked = has(field);
      else field.value = values.find(([name]) => name === field.name)?.[1] ?? field.value;
    }
    form.closest("details").dataset.kept = "";
    form.closest("details").open = true;
    filled.add(form);
  };
  document.addEventListener("input", (event) => {
    const form = event.target.closest?.(".teach-form");
    if (!form) return;
    filled.add(form);
    changed.set(form.dataset.turn, [...new FormData(form)]);
  });
  document.addEventListener("submit", (event) => changed.delete(event.target.dataset.turn));
  window.assistant.when(() => document.getElementById("chat-log"), (log) => {
    new MutationObserver(() => {
      for (const [turn, values] of changed) {
        const form = log.querySelector(`.teach-form[data-turn="${turn}"]`);
        if (form && !filled.has(form)) fill(form, values);
      }
    }).observe(log, {childList: true, subtree: true});
  });
})();
