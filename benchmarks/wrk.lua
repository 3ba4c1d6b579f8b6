-- Requests with tokens from a file, one a line, for wrk: `wrk ... -s wrk.lua URL -- FILE reuse|once`
--
-- "reuse" goes round and round through the file. "once" shows each token a single time and stops
-- when the file is at its end; the rate is then that of the time until there. What came of it is
-- printed as the last line, as JSON.

local ffi = require("ffi")
ffi.cdef [[
    struct timespec_of_wrk { long seconds; long nanoseconds; };
    int clock_gettime(int clock, struct timespec_of_wrk *now);
]]

local MONOTONIC = 1
local threads = {}
local requests = {}
local position = 0
local is_once = false

-- Of a thread's state, read by done(), which has another one.
first_at_s = 0
last_at_s = 0

local function now_s()
    local now = ffi.new("struct timespec_of_wrk")
    ffi.C.clock_gettime(MONOTONIC, now)
    return tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9
end

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    is_once = args[2] == "once"
    for token in io.lines(args[1]) do
        local headers = { ["Accept"] = "application/json", ["Authorization"] = "Bearer " .. token }
        table.insert(requests, wrk.format("GET", nil, headers))
    end
end

function request()
    position = position + 1
    if position > #requests then
        position = 1
        if is_once then
            last_at_s = now_s()
            wrk.thread:stop()
        end
    end
    -- wrk takes the first one before it starts, to look at it, and never sends it.
    if position == 2 and first_at_s == 0 then
        first_at_s = now_s()
    end
    return requests[position]
end

function done(summary, _, _)
    local thread = threads[1]
    local duration_s = summary.duration / 1e6
    local last = thread:get("last_at_s")
    if last > 0 then
        duration_s = last - thread:get("first_at_s")
    end
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "duration_s": %.6f, "refused": %d, "broken": %d}\n',
        summary.requests, duration_s, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
