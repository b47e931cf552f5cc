"""The steps that Redis or Valkey makes as one: hold, settle, take a sum from the ledger, beat.

Money is exact: an amount is two whole numbers, ``high * 10**9 + low`` with ``0 <= low < 10**9``,
each far below 2**53, since Lua counts in doubles. The clock is the server's own (``TIME``), so that
replicas whose clocks differ agree on what a period is.

What is kept, all under one prefix in braces, so that a cluster keeps it in one slot:
- ``b:IDENT:ACCOUNT``, a hash for each account: ``seeded``, ``over`` (the overrun, two numbers),
  ``unpriced``, and for each step of its period, named by when it begins, four numbers: spent and
  held. It expires some time after the period. ``n:IDENT``, a sorted set, has the accounts' names.
- ``r:KEY``, a hash for each key with a rate: second -> requests and tokens.
- ``h:PROCESS``, a hash of what a process holds: id -> amount, then account and step by turns; or
  ``freed``: the lease ran out and it was given back; or ``void``: it is not to be made. ``alive``
  stands there since the last beat, so that a process learns that all was lost.
- ``leases``, a sorted set: process -> when its lease ends, in milliseconds.
"""

from __future__ import annotations

_NUMBERS = """
local B = 1000000000
local function sum(h1, l1, h2, l2)
  local h, l = h1 + h2, l1 + l2
  if l >= B then return h + 1, l - B elseif l < 0 then return h - 1, l + B end
  return h, l
end
local function above(h1, l1, h2, l2)
  return h1 > h2 or (h1 == h2 and l1 > l2)
end
local function text(...)
  local out = {}
  for i, v in ipairs({...}) do out[i] = string.format('%.0f', v) end
  return table.concat(out, ' ')
end
local function step_of(account, start)
  local v = redis.call('HGET', account, start)
  if not v then return nil end
  local a, b, c, d = string.match(v, '(%-?%d+) (%d+) (%-?%d+) (%d+)')
  return tonumber(a), tonumber(b), tonumber(c), tonumber(d)
end
local function put(account, start, sh, sl, hh, hl)
  redis.call('HSET', account, start, text(sh, sl, hh, hl))
end
-- spent and held of all steps that count, and the first step in which there is something
local function all_of(account, oldest, drops)
  local sh, sl, hh, hl, first, seeded = 0, 0, 0, 0, nil, false
  local found = redis.call('HGETALL', account)
  for i = 1, #found, 2 do
    local start = tonumber(found[i])
    if found[i] == 'seeded' then seeded = true
    elseif start then
      local a, b, c, d = string.match(found[i + 1], '(%-?%d+) (%d+) (%-?%d+) (%d+)')
      a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
      if start >= oldest then
        sh, sl = sum(sh, sl, a, b)
        hh, hl = sum(hh, hl, c, d)
        if (a ~= 0 or b ~= 0 or c ~= 0 or d ~= 0) and (not first or start < first) then
          first = start
        end
      elseif drops and c == 0 and d == 0 then redis.call('HDEL', account, found[i]) end
    end
  end
  return sh, sl, hh, hl, first or -1, seeded
end
"""

# KEYS: holds, leases, rate, accounts. ARGV: process, id, lease in ms, amount high, low, how (0: by
# the rules, 1: without a look, 2: also where a sum is not known), rpm, tpm (-1: none), tokens, then
# for each account: oldest, current, end, sum high, low (-1: it binds nothing), seconds to keep.
# Gives: what came of it, the second, the microsecond, then by that: "held": the spent and held of
# each account; "turned"; "unseeded": numbers of accounts; "over": number, spent and held, first;
# "requests" or "tokens": what is used, when that begins to count no more.
HOLD = (
    _NUMBERS
    + """
local t = redis.call('TIME')
local now = tonumber(t[1])
local process, id, forced = ARGV[1], ARGV[2], ARGV[6] == '1'
local ah, al = tonumber(ARGV[4]), tonumber(ARGV[5])
local rpm, tpm, tokens = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local accounts = #KEYS - 3
if not forced then
  if redis.call('HGET', KEYS[1], id) then return {'void', t[1], t[2]} end
  for i = 1, accounts do
    local at = 9 + (i - 1) * 6
    if now < tonumber(ARGV[at + 2]) or now >= tonumber(ARGV[at + 3]) then
      return {'turned', t[1], t[2]}
    end
  end
end
local told, unseeded, refused = {'held', t[1], t[2]}, {'unseeded', t[1], t[2]}, nil
for i = 1, accounts do
  local at = 9 + (i - 1) * 6
  local sh, sl, hh, hl, first, seeded = all_of(KEYS[3 + i], tonumber(ARGV[at + 1]), true)
  if not seeded then unseeded[#unseeded + 1] = tostring(i) end
  local bh, bl = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local uh, ul = sum(sh, sl, hh, hl)
  uh, ul = sum(uh, ul, ah, al)
  if bh >= 0 and above(uh, ul, bh, bl) and not refused then
    refused = {'over', t[1], t[2], tostring(i), text(sh, sl, hh, hl), text(first)}
  end
  told[#told + 1] = text(sh, sl, hh, hl)
end
if not forced then
  if #unseeded > 3 and ARGV[6] == '0' then return unseeded end
  if refused then return refused end
  if rpm >= 0 or tpm >= 0 then
    local n, used, first = 0, 0, now
    local found = redis.call('HGETALL', KEYS[3])
    for i = 1, #found, 2 do
      local second = tonumber(found[i])
      if second <= now - 60 then redis.call('HDEL', KEYS[3], found[i])
      else
        local a, b = string.match(found[i + 1], '(%d+) (%-?%d+)')
        n, used = n + tonumber(a), used + tonumber(b)
        if second < first then first = second end
      end
    end
    if rpm >= 0 and n >= rpm then return {'requests', t[1], t[2], text(n), text(first)} end
    if tpm >= 0 and used + tokens > tpm then
      return {'tokens', t[1], t[2], text(used), text(first)}
    end
    local a, b = string.match(redis.call('HGET', KEYS[3], t[1]) or '0 0', '(%d+) (%-?%d+)')
    redis.call('HSET', KEYS[3], t[1], text(tonumber(a) + 1, tonumber(b) + tokens))
    redis.call('EXPIRE', KEYS[3], 120)
  end
end
if accounts == 0 then return told end
local record = text(ah, al)
for i = 1, accounts do
  local at = 9 + (i - 1) * 6
  local account, current = KEYS[3 + i], ARGV[at + 2]
  local sh, sl, hh, hl = step_of(account, current)
  hh, hl = sum(hh or 0, hl or 0, ah, al)
  put(account, current, sh or 0, sl or 0, hh, hl)
  redis.call('EXPIRE', account, ARGV[at + 6])
  record = record .. ' ' .. account .. ' ' .. current
end
redis.call('HSET', KEYS[1], id, record)
redis.call('EXPIRE', KEYS[1], 86400)
redis.call('ZADD', KEYS[2], now * 1000 + tonumber(ARGV[3]), process)
return told
"""
)

# KEYS: holds, rate, accounts. ARGV: id, amount high, low, cost high, low, overrun high, low,
# unpriced (1 or 0), second of the rate ("": none), change of its tokens, void (1: it may not have
# been made, and then must not be), then for each account: oldest, current.
# Gives for each account its spent before and after; nothing where it was settled already.
SETTLE = (
    _NUMBERS
    + """
local record = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[9] ~= '' and (record or #KEYS == 2) then
  local v = redis.call('HGET', KEYS[2], ARGV[9])
  if v then
    local a, b = string.match(v, '(%d+) (%-?%d+)')
    redis.call('HSET', KEYS[2], ARGV[9], text(tonumber(a), tonumber(b) + tonumber(ARGV[10])))
  end
end
if not record then
  if ARGV[11] == '1' then
    redis.call('HSET', KEYS[1], ARGV[1], 'void')
    redis.call('EXPIRE', KEYS[1], 86400)
  end
  return {}
end
redis.call('HDEL', KEYS[1], ARGV[1])
if record == 'void' then return {} end
local freed = string.sub(record, 1, 5) == 'freed'
local told = {}
for i = 1, #KEYS - 2 do
  local account, oldest, current = KEYS[2 + i], ARGV[10 + i * 2], ARGV[11 + i * 2]
  local bh, bl = all_of(account, tonumber(oldest), false)
  local sh, sl, hh, hl = step_of(account, current)
  if sh then
    sh, sl = sum(sh, sl, tonumber(ARGV[4]), tonumber(ARGV[5]))
    if not freed then hh, hl = sum(hh, hl, -tonumber(ARGV[2]), -tonumber(ARGV[3])) end
    put(account, current, sh, sl, hh, hl)
    if ARGV[8] == '1' then redis.call('HINCRBY', account, 'unpriced', 1) end
    if ARGV[6] ~= '0' or ARGV[7] ~= '0' then
      local v = redis.call('HGET', account, 'over') or '0 0'
      local oh, ol = string.match(v, '(%d+) (%d+)')
      oh, ol = sum(tonumber(oh), tonumber(ol), tonumber(ARGV[6]), tonumber(ARGV[7]))
      redis.call('HSET', account, 'over', text(oh, ol))
    end
  end
  local eh, el = all_of(account, tonumber(oldest), false)
  told[#told + 1] = text(bh, bl)
  told[#told + 1] = text(eh, el)
end
return told
"""
)

# KEYS: account, names. ARGV: seconds to keep, oldest, the account's name, then for each step: its
# start, spent high, low.
# What is counted already is only ever raised. Gives the spent before and after.
RAISE = (
    _NUMBERS
    + """
local bh, bl, _, _, _, seeded = all_of(KEYS[1], tonumber(ARGV[2]), false)
for i = 4, #ARGV, 3 do
  local h, l = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local sh, sl, hh, hl = step_of(KEYS[1], ARGV[i])
  if not sh or above(h, l, sh, sl) then put(KEYS[1], ARGV[i], h, l, hh or 0, hl or 0) end
end
redis.call('HSET', KEYS[1], 'seeded', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[2], redis.call('TIME')[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[1])
local eh, el = all_of(KEYS[1], tonumber(ARGV[2]), false)
if not seeded then bh, bl = eh, el end
return {text(bh, bl), text(eh, el)}
"""
)

# KEYS: holds, leases. ARGV: process, lease in ms, the prefix, most to free at once.
# Renews the lease of all that a process holds, and frees what dead ones hold. Gives: the second,
# the microsecond, whether it had beaten before, how many were freed.
BEAT = (
    _NUMBERS
    + """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
local there = 1 - redis.call('HSET', KEYS[1], 'alive', '1')
redis.call('EXPIRE', KEYS[1], 86400)
local freed, most = 0, tonumber(ARGV[4])
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 8)) do
  local holds = ARGV[3] .. 'h:' .. dead
  local found, whole = redis.call('HGETALL', holds), true
  for i = 1, #found, 2 do
    local record = found[i + 1]
    if found[i] == 'alive' then redis.call('HDEL', holds, 'alive')
    elseif record ~= 'void' and string.sub(record, 1, 5) ~= 'freed' then
      if freed >= most then whole = false break end
      local words = {}
      for word in string.gmatch(record, '%S+') do words[#words + 1] = word end
      local ah, al = tonumber(words[1]), tonumber(words[2])
      for w = 3, #words, 2 do
        local sh, sl, hh, hl = step_of(words[w], words[w + 1])
        if sh then
          hh, hl = sum(hh, hl, -ah, -al)
          put(words[w], words[w + 1], sh, sl, hh, hl)
        end
      end
      redis.call('HSET', holds, found[i], 'freed')
      freed = freed + 1
    end
  end
  if whole then
    redis.call('ZREM', KEYS[2], dead)
    redis.call('EXPIRE', holds, 3600)
  end
end
return {t[1], t[2], there, freed}
"""
)
