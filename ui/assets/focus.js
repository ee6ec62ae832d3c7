"use strict";
// Where the focus goes when what had it is replaced: a press of a button must not leave the keyboard nowhere.

(() => {
  const question = () => document.querySelector("#chat-question textarea");
  // What is written next stands in the box; on a phone its keyboard would cover the answer to what was only tapped.
  const WRITES = ["edit", "reword", "keep"], ASKS = ["retry", "suggest", "ask"];

  // The arrow that was pressed has the focus again in the version that it leads to, or its neighbour.
  const thenChosen = ({turn, step}) => window.assistant.when(() => document.querySelector(`#turn-${turn} .versions`), (versions) => {
    (versions.querySelector(`[data-step="${step}"]:enabled`) ?? versions.querySelector(":enabled"))?.focus();
  });
  // Once what was pressed is gone, the place where something was said of a turn has the focus.
  const thenSaid = (turn) => {
    const changes = new MutationObserver(() => {
      const said = document.getElementById(`teach-${turn}`);
      if (!said || document.activeElement !== document.body) return;
      changes.disconnect();
      said.setAttribute("tabindex", "-1");
      said.focus({preventScroll: true});
    });
    changes.observe(document.getElementById("chat-log"), {childList: true, subtree: true});
    setTimeout(() => changes.disconnect(), 10_000);
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest(".skip")) { event.preventDefault(); question().focus(); return; }
    const pressed = event.target.closest("button[data-do], #chat-question button");
    if (!pressed) return;
    const isKey = event.detail === 0, {do: does = "ask", turn} = pressed.dataset;
    if (WRITES.includes(does) || (isKey && ASKS.includes(does))) question().focus();
    if (does === "version") thenChosen(pressed.dataset);
    if (["delete", "move", "refolder"].includes(does)) document.getElementById("chat-new").focus();
    if (does === "vote" || does === "teach") thenSaid(turn);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.do === "teach") thenSaid(event.target.dataset.turn);
  });

  // Keys by themselves: not where someone writes, nor with a key that means something to the browser.
  const toggleKeys = () => {
    const keys = document.getElementById("keys");
    keys.open ? keys.close() : keys.showModal();
  };
  // A tab is shown by its style alone, a little after it was chosen.
  const writeSoon = (tries) => {
    if (question()?.offsetParent) question().focus();
    else if (tries) setTimeout(() => writeSoon(tries - 1), 50);
  };
  document.addEventListener("click", (event) => { if (event.target.closest("[data-keys]")) toggleKeys(); });
  document.addEventListener("keydown", (event) => {
    const one = event.target, step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || one.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === "?") { event.preventDefault(); toggleKeys(); return; }
    if (document.getElementById("keys").open) return;
    if (event.key === "/") {
      event.preventDefault();
      window.assistant.to("chat");
      writeSoon(100);
    } else if (step && one.matches(".mark")) {
      event.preventDefault();
      const marks = [...one.closest(".turn").querySelectorAll(".mark")];
      marks[marks.indexOf(one) + step]?.focus();
    } else if (step && one.closest("#source")) {
      event.preventDefault();
      window.assistant.step(step);
    }
  });
})();
