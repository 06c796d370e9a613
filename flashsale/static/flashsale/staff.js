"use strict";
// Buttons that copy the text of a field: data-copies is the field's id.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  const status = document.getElementById(`${button.dataset.copies}-status`);
  field.select();
  let isCopied = false;
  try {
    // Only secure pages have a clipboard; the command is for all others.
    if (navigator.clipboard) await navigator.clipboard.writeText(field.value);
    isCopied = navigator.clipboard ? true : document.execCommand("copy");
  } catch {
    isCopied = document.execCommand("copy");
  }
  status.textContent = isCopied ? "Copied." : "Copy the marked text with your keyboard.";
});
