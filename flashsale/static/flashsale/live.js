// Draws the chart of the admin's first page and redraws it whenever the numbers above it were refreshed.
(() => {
  let chart;

  function draw() {
    const source = document.getElementById("live-chart-data");
    if (!source) return;
    const data = JSON.parse(source.textContent);
    // Those that this member of staff may see.
    const series = [
      ["Holds", data.holds, "#2563eb"],
      ["Orders", data.orders, "#16a34a"],
      ["Refusals", data.refusals, "#dc2626"],
    ].filter(([, values]) => values);
    const datasets = series.map(([label, values, color]) => ({
      label, data: values, borderColor: color, backgroundColor: color, borderWidth: 2, pointRadius: 0, tension: 0,
    }));
    if (chart) {
      chart.data = { labels: data.labels, datasets };
      chart.update("none");
      return;
    }
    chart = new Chart(document.getElementById("live-chart"), {
      type: "line",
      data: { labels: data.labels, datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: { y: { beginAtZero: true, ticks: { precision: 0 } }, x: { ticks: { maxTicksLimit: 12 } } },
      },
    });
  }

  draw();
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "live") draw();
  });
})();
