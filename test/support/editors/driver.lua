-- Loaded by a headless Neovim: dials the test at $DRIVER_PORT, runs the pieces of Lua that come, answers with their values.
local dap = require('dap')
local notices = {}

-- What a user would see pop up.
vim.notify = function(text, level)
  if (level or vim.log.levels.INFO) > vim.log.levels.INFO then table.insert(notices, text) end
end

driver = {}

function driver.breakpoint(file, line)
  if vim.api.nvim_buf_get_name(0) ~= file then vim.cmd.edit(vim.fn.fnameescape(file)) end
  vim.api.nvim_win_set_cursor(0, { line, 0 })
  dap.toggle_breakpoint()
end

local function mark()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    for _, placed in ipairs(vim.fn.sign_getplaced(buffer, { group = '*' })) do
      for _, sign in ipairs(placed.signs) do
        if sign.name == 'DapStopped' then return sign.lnum end
      end
    end
  end
end

local function console()
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.bo[buffer].filetype == 'dap-repl' then
      return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
    end
  end
  return ''
end

--- The session that is stopped, the current one or a child of it.
local function stopped()
  for _, session in pairs(dap.sessions()) do
    if session.stopped_thread_id then return session end
    for _, child in pairs(session.children) do
      if child.stopped_thread_id then return child end
    end
  end
end

local function count(sessions)
  local n = 0
  for _, session in pairs(sessions) do n = n + 1 + count(session.children) end
  return n
end

function driver.view()
  local session = stopped()
  local frame = session and session.current_frame
  local stop = vim.NIL
  if frame then
    -- What has not arrived yet is not on the screen either.
    local scope = (frame.scopes or {})[1]
    local variables = vim.empty_dict()
    for _, variable in ipairs(scope and scope.variables or {}) do variables[variable.name] = variable.value end
    stop = { ['function'] = frame.name, line = frame.line, variables = variables }
  end
  return { sessions = count(dap.sessions()), stop = stop, mark = mark() or vim.NIL, notices = notices, console = console() }
end

--- The first session: those of further workers go with it.
function driver.disconnect()
  local _, root = next(dap.sessions())
  dap.set_session(root)
  dap.disconnect()
end

--- What is asked of the debugger: its answer comes later.
function driver.evaluate(expression, answer)
  stopped():evaluate(expression, function(failure, response)
    answer(failure and error(tostring(failure)) or response.result)
  end)
end

local socket = vim.uv.new_tcp()
local function say(fields) socket:write(vim.json.encode(fields) .. '\n') end

local function obey(line)
  local request = vim.json.decode(line)
  local run, fault = load('local answer = ... ' .. request.code)
  local function answer(value) say({ id = request.id, value = value }) end
  local ok, value = pcall(run or function() error(fault) end, answer)
  if not ok then say({ id = request.id, error = tostring(value) })
  elseif value ~= 'later' then answer(value == nil and vim.NIL or value) end
end

local rest = ''
socket:connect('127.0.0.1', tonumber(vim.env.DRIVER_PORT), function()
  socket:read_start(vim.schedule_wrap(function(_, chunk)
    -- The test is over, however it ended.
    if not chunk then vim.cmd('qall!') end
    rest = rest .. chunk
    while true do
      local line, after = rest:match('^(.-)\n(.*)$')
      if not line then return end
      rest = after
      obey(line)
    end
  end))
end)
