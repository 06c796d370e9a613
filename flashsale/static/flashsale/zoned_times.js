// Says beside each date and time what it is in UTC, while it is typed. The zone is the shop's: a browser's own zone is
// never used, only `Intl` with the zone's name.
"use strict";

(() => {
  const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
  const DAY_MS = 86_400_000;
  const DATE = /^(\d{4})-(\d\d?)-(\d\d?)$/;
  const TIME = /^(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d{1,6})?)? ?(?:(Z|UTC)|([+-])(\d\d):?(\d\d))?$/i;

  // What clocks in the zone show at a moment, as milliseconds that UTC would call the same.
  function wallAt(zone, moment) {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", era: "short", year: "numeric", month: "numeric", day: "numeric",
      hour: "numeric", minute: "numeric", second: "numeric",
    });
    const part = Object.fromEntries(format.formatToParts(moment).map(({ type, value }) => [type, value]));
    return Date.UTC(+part.year, part.month - 1, +part.day, +part.hour, +part.minute, +part.second);
  }

  // The moments at which clocks in the zone show `wall`: none, one or two.
  function momentsOf(zone, wall) {
    const offsets = [wall - DAY_MS, wall + DAY_MS].map((moment) => wallAt(zone, moment) - moment);
    const moments = [...new Set(offsets)].map((offset) => wall - offset);
    return moments.filter((moment) => wallAt(zone, moment) === wall);
  }

  const two = (number) => String(number).padStart(2, "0");
  const text = (moment) => new Date(moment).toISOString().slice(0, 19).replace("T", " ");

  function offsetText(minutes) {
    const size = Math.abs(minutes);
    return `${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  }

  function describe(zone, moment) {
    const wall = wallAt(zone, moment);
    const shown = `${WEEKDAYS[new Date(wall).getUTCDay()]} ${text(wall)} UTC`;
    return zone === "UTC" ? shown : `${shown}${offsetText((wall - moment) / 60_000)} = ${text(moment)} UTC`;
  }

  function meaning(zone, day, time) {
    const [d, t] = [DATE.exec(day), TIME.exec(time)];
    if (!d || !t) return day || time ? "Write them as 2030-01-31 and 12:00:00." : "";
    const wall = Date.UTC(+d[1], d[2] - 1, +d[3], +t[1], +t[2], +(t[3] || 0));
    const written = `${d[1]}-${two(d[2])}-${two(d[3])} ${two(t[1])}:${t[2]}:${t[3] || "00"}`;
    if (text(wall) !== written) return "There is no such date or time.";
    if (t[4]) return describe(zone, wall);
    if (t[5]) return describe(zone, wall - (t[5] + 1) * (60 * t[6] + +t[7]) * 60_000);
    const moments = momentsOf(zone, wall);
    if (moments.length === 1) return describe(zone, moments[0]);
    if (moments.length === 0) return `${written} does not exist in ${zone}: the clocks are set forward over it.`;
    const offsets = moments.sort().map((moment) => `${written.slice(11)} ${offsetText((wall - moment) / 60_000)}`);
    return `${written} exists twice in ${zone}. Write the time as ${offsets.join(" or ")}.`;
  }

  function follow(box) {
    const [day, time] = box.querySelectorAll("input");
    const output = box.querySelector("output");
    const update = () => {
      output.textContent = meaning(box.dataset.zone, day.value.trim(), time.value.trim());
    };
    box.addEventListener("input", update);
    if (day.value || time.value) update();
  }

  const start = () => document.querySelectorAll(".zoned-time").forEach(follow);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", start) : start();
})();
