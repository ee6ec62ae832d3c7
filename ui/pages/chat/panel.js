element.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) { props.value = ""; window.assistant.closed(); }
  const step = event.target.closest("[data-step]");
  if (step) window.assistant.step(Number(step.dataset.step));
});
element.addEventListener("close", () => { props.value = ""; window.assistant.closed(); });
watch("value", () => window.assistant.opened(element));
