// The slider of a queue's limit and the number beside it follow each other. Without this script the form has both.
"use strict";

(() => {
  function follow(box) {
    const positions = box.dataset.positions.split(",").map(Number);
    const [slider, number] = box.querySelectorAll("input[type=range], input[type=number]");
    const say = () => slider.setAttribute("aria-valuetext", number.value ? `${number.value} buyers a second` : "no limit");
    slider.addEventListener("input", () => {
      number.value = positions[slider.value] ?? "";
      say();
    });
    number.addEventListener("input", () => {
      const place = positions.findIndex((rate) => rate >= number.value);
      slider.value = number.value ? (place < 0 ? positions.length - 1 : place) : positions.length;
      say();
    });
    say();
  }

  const start = () => document.querySelectorAll(".rate").forEach(follow);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
