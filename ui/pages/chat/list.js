element.addEventListener("named", (event) => trigger(event.detail.naming, event.detail));
element.addEventListener("opened", (event) => trigger("open", event.detail));
