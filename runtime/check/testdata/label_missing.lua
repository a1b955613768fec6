-- A goto without its label is reported on its own line.
local function f()
  goto nowhere -- want 3-72 syntax: no visible label 'nowhere' for goto
end
f()
