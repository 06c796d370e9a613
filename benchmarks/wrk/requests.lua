-- Repeats one request: wrk -s requests.lua URL -- METHOD [BODY [keyed]]
-- "keyed" gives every request an Idempotency-Key of its own. Prints the results as one line of JSON.

local threads, keyed, sent = {}, false, 0

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  wrk.method = args[1]
  if args[2] and args[2] ~= "" then
    wrk.body = args[2]
    wrk.headers["Content-Type"] = "application/json"
  end
  keyed = args[3] == "keyed"
  run = tostring(os.time())
  statuses = {}
end

function request()
  if keyed then
    sent = sent + 1
    wrk.headers["Idempotency-Key"] = "bench-" .. run .. "-" .. number .. "-" .. sent
  end
  return wrk.format()
end

function response(status)
  local name = tostring(status)
  statuses[name] = (statuses[name] or 0) + 1
end

function done(summary, latency)
  local counted, parts = {}, {}
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counted[status] = (counted[status] or 0) + count
    end
  end
  for status, count in pairs(counted) do
    table.insert(parts, string.format('"%s": %d', status, count))
  end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"seconds": %.3f, "p50_ms": %.2f, "p99_ms": %.2f, "lost": %d, "statuses": {%s}}\n',
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout, table.concat(parts, ", ")))
end
