document.addEventListener("keydown", (event) => {
  const form = element.querySelector("form");
  const writes = event.target.closest("textarea, select, input:not([type=radio]), [contenteditable]");
  if (!form || !form.offsetParent || writes || event.ctrlKey || event.metaKey || event.altKey) return;
  const pick = form.querySelectorAll("[name=label]")[Number(event.key) - 1];
  if (pick) { pick.click(); pick.focus(); }
  else if (event.key === "Enter" && !event.target.closest("button")) form.requestSubmit();
  else return;
  event.preventDefault();
});
watch("value", () => { if (element.offsetParent) window.scrollTo({top: 0}); });
