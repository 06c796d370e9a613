// The admin's first page: draws the chart and the countdown, again after each refresh of the figures.
(() => {
  const RANGE = "flashsale.range";
  const SERIES = [["holds", "Holds"], ["orders", "Orders"], ["payments", "Payments"], ["refusals", "Refusals"]];
  const live = document.getElementById("live");
  let chart, range = stored() || "seconds", clockAhead = 0, pressed = false;

  function stored() {
    try { return localStorage.getItem(RANGE); } catch { return null; }
  }

  function store() {
    try { localStorage.setItem(RANGE, range); } catch { /* Chosen for this page only. */ }
  }

  // The colours stand in admin.css, for light and for dark.
  function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--live-${name}`).trim();
  }

  function datasets(series) {
    // Refusals outnumber everything else in a rush: they have an axis of their own.
    return SERIES.filter(([name]) => series[name]).map(([name, title]) => ({
      label: `${title} (${series[name].reduce((sum, n) => sum + n, 0)})`, title, data: series[name],
      borderColor: color(name), backgroundColor: color(name), borderWidth: name === "refusals" ? 1.5 : 2,
      borderDash: name === "refusals" ? [4, 3] : [], pointRadius: 0, pointHitRadius: 8, tension: 0,
      yAxisID: name === "refusals" ? "refusals" : "y", order: name === "refusals" ? 1 : 0,
    }));
  }

  function axis(title, more) {
    return {
      beginAtZero: true, suggestedMax: 4, ticks: { precision: 0, color: color("text") }, border: { color: color("grid") },
      grid: { color: color("grid") }, title: { display: true, text: title, color: color("text") }, ...more,
    };
  }

  // Only times that end in :00, :05 or :10, as many as have room.
  function keepRoundTicks(scale) {
    const room = Math.max(1, Math.floor(scale.chart.width / 90));
    const rounded = [1, 2, 5, 10].map((step) => scale.ticks.filter(({ value }) => {
      const [, minutes, seconds] = scale.getLabelForValue(value).split(":").map(Number);
      return !seconds && minutes % (range === "seconds" ? step : 5 * step) === 0;
    }));
    scale.ticks = rounded.find((ticks) => ticks.length <= room) || rounded.at(-1);
  }

  function options(data) {
    const scales = {
      x: {
        ticks: { color: color("text"), maxRotation: 0, autoSkip: false }, afterBuildTicks: keepRoundTicks,
        border: { color: color("grid") }, grid: { color: color("grid") },
      },
    };
    const period = range === "seconds" ? "a second" : "a minute";
    const names = SERIES.filter(([name]) => name !== "refusals" && data.ranges[range].series[name]).map(([name]) => name);
    if (names.length) scales.y = axis(`${names.join(", ")} ${period}`);
    if (data.ranges[range].series.refusals) {
      scales.refusals = axis(`refusals ${period}`, names.length ? { position: "right", grid: { drawOnChartArea: false } } : {});
    }
    return {
      animation: false, maintainAspectRatio: false, interaction: { mode: "index", intersect: false }, scales,
      plugins: {
        legend: { labels: { color: color("text"), usePointStyle: true, pointStyle: "line", pointStyleWidth: 24 } },
        tooltip: {
          callbacks: {
            title: ([item]) => `${item.label} ${data.zone}`,
            label: (item) => ` ${item.formattedValue} ${item.dataset.title.toLowerCase()}`,
          },
        },
      },
    };
  }

  function draw() {
    const source = document.getElementById("live-chart-data"), canvas = document.getElementById("live-chart");
    if (!source || !canvas) return;
    const data = JSON.parse(source.textContent);
    if (!data.ranges[range]) range = "seconds";
    const shown = { labels: data.ranges[range].labels, datasets: datasets(data.ranges[range].series) };
    if (chart) {
      // What was switched off in the legend stays off.
      shown.datasets.forEach((one, index) => { one.hidden = !chart.isDatasetVisible(index); });
      chart.data = shown;
      chart.options = options(data);
      chart.update("none");
    } else {
      chart = new Chart(canvas, { type: "line", data: shown, options: options(data) });
    }
    for (const button of document.querySelectorAll("[data-range]")) {
      button.setAttribute("aria-pressed", String(button.dataset.range === range));
    }
  }

  // The difference to the server's clock, so that the browser's may be wrong.
  function setClock() {
    const answered = document.querySelector("[data-server-ms]");
    if (answered) clockAhead = Number(answered.dataset.serverMs) - performance.now();
  }

  function tick() {
    const countdown = document.querySelector("[data-starts-ms]");
    if (!countdown) return;
    const left = Math.ceil((Number(countdown.dataset.startsMs) - performance.now() - clockAhead) / 1000);
    const days = Math.floor(left / 86400);
    const clock = [left / 3600 % 24, left / 60 % 60, left % 60].map((n) => String(Math.floor(n)).padStart(2, "0")).join(":");
    countdown.textContent = left <= 0 ? "begins now" : `in ${days > 1 ? `${days} days ` : days ? "1 day " : ""}${clock}`;
  }

  function show() {
    setClock();
    tick();
    draw();
  }

  function setStale(isStale) {
    for (const note of document.querySelectorAll(".live-stale")) note.hidden = !isStale;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-range]");
    if (!button) return;
    range = button.dataset.range;
    store();
    draw();
  });
  // A refresh between press and release would swallow the click.
  live.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => { pressed = false; });
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target === live && pressed) event.detail.shouldSwap = false;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target === live) show();
  });
  for (const failure of ["htmx:sendError", "htmx:responseError"]) {
    document.body.addEventListener(failure, () => setStale(true));
  }
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  setInterval(tick, 1000);
  show();
})();
