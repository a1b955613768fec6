-- Labels.
local n = 0
::again::
do goto over end -- want 1-82 syntax: goto over jumps into the scope of local 'm'
local m = 1
::over::
if n < m then n = n + 1 goto again end
