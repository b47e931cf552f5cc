-- What wrk sends, and what it says at the end, as one line of JSON. BODY names the file with the
-- body, HEADERS has a header in each line.
local file = assert(io.open(os.getenv("BODY"), "rb"))
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
wrk.headers["content-type"] = "application/json"
for line in os.getenv("HEADERS"):gmatch("[^\n]+") do
  local name, value = line:match("^([^:]+): (.*)$")
  wrk.headers[name] = value
end

function done(summary, latency)
  local faults = summary.errors
  local wrong = faults.status + faults.connect + faults.read + faults.write + faults.timeout
  io.write(string.format('\n{"calls":%d,"seconds":%f,"wrong":%d,"p50_ms":%f,"p99_ms":%f}\n',
    summary.requests, summary.duration / 1e6, wrong,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
