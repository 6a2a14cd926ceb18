/* The Lua that several scripts begin with: what they must agree on about the log.
 *
 * The stream's bookkeeping is a consumer group named `rowcast` inside of it, so that it
 * lives and dies with it, is replicated and restored with it. Its last-delivered-id is
 * the floor: all up to there is gone. Its entries-read is how many entries are known
 * to be gone; where the stream itself has lost another number (entries-added - length),
 * somebody else has removed some, and the floor goes up to just below the first entry.
 *
 * Ids are compared as two numbers each, milliseconds and sequence: text does not
 * compare as they do. Numbers in Lua are doubles: exact for every id that has a number
 * here, and for others good enough to refuse them. */
#ifndef APP_UPSTREAM_REDIS_LOGLUA_H
#define APP_UPSTREAM_REDIS_LOGLUA_H

/* Where Redis has no room it refuses a script's first write, if that is one that may
 * need some, and none after it. So a script that mends the log or makes room in it sets
 * `way` to a write of nothing that needs none; a publication does not.
 *
 * look(now) reads the state of the log, makes it where it is missing, and notices what
 * others have removed. now: ms since 1970, by our clock. */
#define LOGLUA_LOG \
	"local K, P = KEYS[1], KEYS[2]\n" \
	"local function parts(id)\n" \
	"  local ms, seq = string.match(id, '^(%d+)-(%d+)$')\n" \
	"  return tonumber(ms), tonumber(seq)\n" \
	"end\n" \
	"local function below(a, b)\n" \
	"  local ams, aseq = parts(a)\n" \
	"  local bms, bseq = parts(b)\n" \
	"  return ams < bms or (ams == bms and aseq < bseq)\n" \
	"end\n" \
	"local function id(ms, seq) return string.format('%.0f-%.0f', ms, seq) end\n" \
	"local function next_id(i)\n" \
	"  local ms, seq = parts(i)\n" \
	"  if seq >= 4095 then return id(ms + 1, 0) end\n" \
	"  return id(ms, seq + 1)\n" \
	"end\n" \
	"local function previous_id(i)\n" \
	"  local ms, seq = parts(i)\n" \
	"  if seq > 0 then return id(ms, seq - 1) end\n" \
	"  if ms > 0 then return id(ms - 1, 4095) end\n" \
	"  return '0-0'\n" \
	"end\n" \
	"local function named(flat)\n" \
	"  local t = {}\n" \
	"  for i = 1, #flat, 2 do t[flat[i]] = flat[i + 1] end\n" \
	"  return t\n" \
	"end\n" \
	"local function write_nothing() redis.call('XDEL', K, '0-1') end\n" \
	"local way = function() end\n" \
	"local log = {}\n" \
	"local function set_floor(floor)\n" \
	"  way()\n" \
	"  redis.call('XGROUP', log.has_group and 'SETID' or 'CREATE', K, 'rowcast', floor,\n" \
	"    'ENTRIESREAD', string.format('%.0f', log.gone))\n" \
	"  log.has_group, log.floor, log.known = true, floor, log.gone\n" \
	"end\n" \
	"local function look(now)\n" \
	"  local info = redis.pcall('XINFO', 'STREAM', K)\n" \
	"  if info.err then\n" \
	"    if not string.find(info.err, 'no such key', 1, true) then return info end\n" \
	"    way()\n" \
	"    redis.call('XGROUP', 'CREATE', K, 'rowcast', '0-0', 'MKSTREAM', 'ENTRIESREAD', '0')\n" \
	"    info = redis.call('XINFO', 'STREAM', K)\n" \
	"  end\n" \
	"  info = named(info)\n" \
	"  log.last, log.deleted = info['last-generated-id'], info['max-deleted-entry-id']\n" \
	"  if not info['entries-added'] then\n" \
	"    return redis.error_reply('ROWCAST Redis is too old: 7.0 is needed')\n" \
	"  end\n" \
	"  log.length, log.first = info['length'], info['first-entry']\n" \
	"  log.gone = info['entries-added'] - log.length\n" \
	"  local ms = parts(log.last)\n" \
	"  if log.last ~= '0-0' and (ms < 1577836800000 or ms > tonumber(now) + 86400000) then\n" \
	"    return redis.error_reply('ROWCAST the newest id of the stream, ' .. log.last ..\n" \
	"      ', is no time from 2020 to tomorrow: entries must be added under *,' ..\n" \
	"      ' and the clocks must be right')\n" \
	"  end\n" \
	"  for _, group in ipairs(redis.call('XINFO', 'GROUPS', K)) do\n" \
	"    local g = named(group)\n" \
	"    if g['name'] == 'rowcast' then\n" \
	"      log.has_group, log.floor, log.known =\n" \
	"        true, g['last-delivered-id'], g['entries-read'] or -1\n" \
	"    end\n" \
	"  end\n" \
	"  if log.known ~= log.gone then\n" \
	"    local floor = log.first and previous_id(log.first[1]) or log.last\n" \
	"    if log.has_group and below(floor, log.floor) then floor = log.floor end\n" \
	"    set_floor(floor)\n" \
	"  end\n" \
	"end\n" \
	/* The log is none that gave `above`: from now on it gives ids above all that it and \
	 * whoever asks have seen, and everybody below is told that there is a gap. What XADD \
	 * would give now is above what others have seen as well, unless the clock went back: \
	 * a floor just above what one machine has seen could be the very id that another one \
	 * has read last, which would not notice. */ \
	"local function rewind(above)\n" \
	"  way()\n" \
	"  local new = redis.call('XADD', K, '*', 'rewind', '')\n" \
	"  redis.call('XDEL', K, new)\n" \
	"  log.gone = log.gone + 1\n" \
	"  if not below(above, new) then new = next_id(above) end\n" \
	"  local _, seq = parts(new)\n" \
	"  if seq >= 4095 then new = next_id(new) end\n" \
	"  redis.call('XSETID', K, new)\n" \
	"  log.last = new\n" \
	"  set_floor(new)\n" \
	"end\n"

/* add(fields) is XADD under an id that has a number here; it returns the id, and its two
 * parts, which are taken apart once, as that is much of what a message costs. has_entry(id): is it still
 * there? Asked once of each id, since that reads the whole entry. */
#define LOGLUA_ADD \
	"local added, ms_added, seq_added\n" \
	"local function add(fields)\n" \
	"  if log.last ~= added then ms_added, seq_added = parts(log.last) end\n" \
	"  if seq_added >= 4095 then redis.call('XSETID', K, id(ms_added + 1, 0)) end\n" \
	"  added = redis.call('XADD', K, '*', unpack(fields))\n" \
	"  log.last, ms_added, seq_added = added, parts(added)\n" \
	"  return added, ms_added, seq_added\n" \
	"end\n" \
	"local entries = {}\n" \
	"local function has_entry(i)\n" \
	"  if entries[i] == nil then\n" \
	"    entries[i] = #redis.call('XRANGE', K, i, i, 'COUNT', '1') > 0\n" \
	"  end\n" \
	"  return entries[i]\n" \
	"end\n" \
	/* The id of the message that has the key; false: none has it any more. */ \
	"local function keyed_entry(key)\n" \
	"  local i = redis.call('GET', P .. 'key:' .. key)\n" \
	"  return i and string.find(i, '^%d+%-%d+$') and has_entry(i) and i or false\n" \
	"end\n" \
	"local names = { 'key', 'user', 'topic', 'event', 'expires_at' }\n" \
	/* The fields of the message that begins at ARGV[at]: names, then data. */ \
	"local function fields_at(at)\n" \
	"  local fields = {}\n" \
	"  for k = 1, 5 do\n" \
	"    if ARGV[at + k - 1] ~= '' then\n" \
	"      fields[#fields + 1] = names[k]\n" \
	"      fields[#fields + 1] = ARGV[at + k - 1]\n" \
	"    end\n" \
	"  end\n" \
	"  fields[#fields + 1] = 'data'\n" \
	"  fields[#fields + 1] = ARGV[at + 5]\n" \
	"  return fields\n" \
	"end\n"

/* Topics that have ended: a sorted set, in which the score of each is the number of the
 * message that ended it. The empty topic, which is none, has there the number up to which
 * ends are forgotten. Ends are put there by whoever adds them here, and those that others
 * add by who follows the log (ended.c).
 *
 * ask_ended(topics) asks of many at once, before the first write; then ended[topic] says of
 * each whether it has. note_end(topic, ms, seq) is for the end that was just added. */
#define LOGLUA_NUMBER \
	"local function number_at(ms, seq)\n" \
	"  return (ms - 1577836800000) * 4096 + (seq < 4095 and seq or 4095)\n" \
	"end\n"
#define LOGLUA_ENDED \
	LOGLUA_NUMBER \
	"local E, ended = P .. 'ended', {}\n" \
	"local function ask_ended(topics)\n" \
	"  local any = false\n" \
	"  for from = 1, #topics, 1000 do\n" \
	"    local to = math.min(from + 999, #topics)\n" \
	"    local scores = redis.call('ZMSCORE', E, unpack(topics, from, to))\n" \
	"    for k = from, to do\n" \
	"      ended[topics[k]] = scores[k - from + 1] and true or false\n" \
	"      any = any or ended[topics[k]]\n" \
	"    end\n" \
	"  end\n" \
	"  return any\n" \
	"end\n" \
	"local function note_end(topic, ms, seq)\n" \
	"  ended[topic] = true\n" \
	"  redis.call('ZADD', E, string.format('%.0f', number_at(ms, seq)), topic)\n" \
	"end\n"

#endif
