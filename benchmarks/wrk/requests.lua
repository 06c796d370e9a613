-- Repeats a request: wrk -s requests.lua URL -- METHOD [BODIES [keyed]]
-- Several bodies, one a line, are sent in turn. "keyed" gives every request an Idempotency-Key of its own. Prints the
-- results as one line of JSON.

local threads, bodies, formatted, keyed, sent = {}, {}, {}, false, 0

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init(args)
  wrk.method = args[1]
  for body in (args[2] or ""):gmatch("[^\n]+") do
    table.insert(bodies, body)
    wrk.headers["Content-Type"] = "application/json"
  end
  keyed = args[3] == "keyed"
  -- Made once, as wrk does without a script: the load shares its processors with the server.
  if not keyed then
    for number = 1, math.max(1, #bodies) do
      formatted[number] = wrk.format(nil, nil, nil, bodies[number])
    end
  end
  run = tostring(os.time())
  statuses = {}
end

function request()
  sent = sent + 1
  if not keyed then
    return formatted[sent % #formatted + 1]
  end
  wrk.headers["Idempotency-Key"] = "bench-" .. run .. "-" .. number .. "-" .. sent
  return wrk.format(nil, nil, nil, bodies[sent % #bodies + 1])
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
