-- What wrk sends: requests that differ in their authorization header only.
-- Arguments: a file with one authorization value per line, the path, the size of an upload, a seed
-- (0 sends the requests in turn, any other number at random), and the host.

local requests, turn, shuffled = {}, 0, false

-- Chunks of 16 KiB, as a client writes them that does not know the length of its body.
local function chunked(size)
  local piece = string.rep("x", 16384)
  return string.rep("4000\r\n" .. piece .. "\r\n", size / 16384) .. "0\r\n\r\n"
end

function init(args)
  local upload, seed = tonumber(args[3]), tonumber(args[4])
  wrk.headers["Host"] = args[5]
  shuffled = seed ~= 0
  math.randomseed(seed)
  for value in io.lines(args[1]) do
    local headers = { Authorization = value }
    local request
    if upload > 0 then
      headers["Transfer-Encoding"] = "chunked"
      request = wrk.format("POST", args[2], headers) .. chunked(upload)
    else
      request = wrk.format("GET", args[2], headers)
    end
    requests[#requests + 1] = request
    -- One is enough where each is megabytes.
    if upload > 0 then break end
  end
end

function request()
  turn = shuffled and math.random(#requests) or turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"micros":%d,"refused":%d,"failed":%d,"p50":%d,"p99":%d,"longest":%d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
